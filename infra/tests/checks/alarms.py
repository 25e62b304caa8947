"""Alarms: someone hears of each, knows when it is over, and finds in the runbook what to do."""

import re

from stage import ROOT

from . import check

HINT = re.compile(r'See docs/runbook\.md, "([^"]+)"\.')


def runbook_sections():
    return set(re.findall(r"^## (.+?)\s*$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE))


@check
def alarms(stage):
    for where, name, alarm in stage.all_of("AWS::CloudWatch::Alarm"):
        properties = alarm["Properties"]
        for actions in ("AlarmActions", "OKActions"):
            if not properties.get(actions) or properties.get("ActionsEnabled") is False:
                yield f"{name} of {where} tells nobody ({actions})"
        if "TreatMissingData" not in properties:
            yield f"{name} of {where} does not say what no data means (TreatMissingData)"


@check
def percentiles(stage):
    """With `ignore` CloudWatch leaves the state as it is unless a period has 10 / (1 - p) values: a thousand for a p99."""
    for where, name, alarm in stage.all_of("AWS::CloudWatch::Alarm"):
        if alarm["Properties"].get("EvaluateLowSampleCountPercentile") == "ignore":
            yield f"{name} of {where} stays silent where calls are few (EvaluateLowSampleCountPercentile)"


@check
def runbook(stage):
    sections = runbook_sections()
    for where, name, alarm in stage.all_of("AWS::CloudWatch::Alarm"):
        hint = HINT.search(alarm["Properties"].get("AlarmDescription", ""))
        if hint is None:
            yield f"{name} of {where} does not say where in docs/runbook.md to look"
        elif hint[1] not in sections:
            yield f'{name} of {where} sends its reader to "{hint[1]}", which docs/runbook.md does not have'


@check
def watched(stage):
    """Every function has an alarm on its errors, and every dead-letter queue one on its messages."""
    errors, waiting = set(), set()
    for alarm in stage.of("AWS::CloudWatch::Alarm").values():
        for metric in _metrics(alarm["Properties"]):
            dimensions = metric.get("Dimensions", [])
            # With more of them it is about a part of the calls, as those of one version.
            for dimension in dimensions if len(dimensions) == 1 else []:
                if (metric["Namespace"], metric["MetricName"]) == ("AWS/Lambda", "Errors"):
                    errors.add(dimension["Value"].get("Ref"))
                if (metric["Namespace"], metric["MetricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible"):
                    waiting.add(dimension["Value"]["Fn::GetAtt"][0])
    for name in stage.functions:
        if name not in errors:
            yield f"{name} may fail, and no alarm tells of it"
    for name in sorted(_dead_letters(stage)):
        if name not in waiting:
            yield f"{name} may fill, and no alarm tells of it"


def _metrics(alarm):
    if "MetricName" in alarm:
        yield alarm
    for part in alarm.get("Metrics", []):
        if "MetricStat" in part:
            yield part["MetricStat"]["Metric"]


def _dead_letters(stage):
    for queue in stage.of("AWS::SQS::Queue").values():
        target = queue["Properties"].get("RedrivePolicy", {}).get("deadLetterTargetArn")
        if target:
            yield target["Fn::GetAtt"][0]
    for config in stage.of("AWS::Lambda::EventInvokeConfig").values():
        target = config["Properties"].get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if target:
            yield target["Fn::GetAtt"][0]
