"""What one file says of another: nested templates, routes, schedules."""

import json
import re
from datetime import datetime, timedelta

import tomlkit
from stage import ROOT

from . import check
from .functions import api_routes


@check
def nested(stage):
    """What the root gives a nested template, and takes from it, exists there. CloudFormation finds out only while it deploys."""
    for name, template in stage.sources.nested.items():
        given = set(stage.sources.root["Resources"][name]["Properties"].get("Parameters", {}))
        known = template.get("Parameters", {})
        for parameter in sorted(given - set(known)):
            yield f"{name} is given {parameter}, which its template does not take"
        for parameter in sorted(set(known) - given):
            if "Default" not in known[parameter]:
                yield f"{name} needs {parameter}, and is not given it"
    for name, output in sorted(set(_outputs_used(stage.sources.root))):
        template = stage.sources.nested.get(name)
        if template is None or output not in template.get("Outputs", {}):
            yield f"the output {output} of {name} is used, and does not exist"


def _outputs_used(value):
    if isinstance(value, dict):
        attribute = value.get("Fn::GetAtt")
        if isinstance(attribute, list) and str(attribute[1]).startswith("Outputs."):
            yield attribute[0], attribute[1].removeprefix("Outputs.")
        for each in value.values():
            yield from _outputs_used(each)
    elif isinstance(value, list):
        for each in value:
            yield from _outputs_used(each)
    elif isinstance(value, str):
        yield from re.findall(r"\$\{(\w+)\.Outputs\.(\w+)\}", value)


@check
def routes(stage):
    """`solo dev` serves what the API serves."""
    cargo = tomlkit.parse((ROOT / "Cargo.toml").read_text()).unwrap()
    local = cargo["workspace"]["metadata"]["lambda"]["watch"]["router"]
    here = {
        path: stage.functions[function]["Metadata"]["BuildProperties"]["Binary"]
        for _, path, function in api_routes(stage)
        if function
    }
    for path in sorted(set(local) | set(here)):
        if local.get(path) != here.get(path):
            yield f"{path} goes to {here.get(path)} in the template, to {local.get(path)} in Cargo.toml"


def registered():
    """`{job: function}`: the jobs that are watched (shared/src/jobs/registry.rs)."""
    return {job: function for job, function, _ in _registry()}


def _registry():
    """`[(job, function, the longest time between two of its starts)]`"""
    text = (ROOT / "shared/src/jobs/registry.rs").read_text()
    found = re.findall(r'name: "(\w+)",\s*function: "(\w+)",\s*period: (minutes|hours|days)\((\d+)\)', text)
    return [(job, function, timedelta(**{unit: int(count)})) for job, function, unit, count in found]


@check
def jobs(stage):
    """Each job that is watched has one schedule, at its function, and nothing else has one. Whoever has OperatorPolicy may run
    all but the tick."""
    scheduled = sorted(
        (json.loads(target["Input"])["job"], target["Arn"]["Ref"].split("Alias")[0])
        for schedule in stage.of("AWS::Scheduler::Schedule").values()
        for target in [schedule["Properties"]["Target"]]
        if re.fullmatch(r'\{"job": "\w+"\}', target.get("Input", ""))
    )
    for job, function in sorted(registered().items()):
        if scheduled.count((job, function)) != 1:
            yield f"the job {job} of {function} has {scheduled.count((job, function))} schedules"
    for job, function in scheduled:
        if registered().get(job) != function:
            yield f"{function} has a schedule for {job}, which is not its job (shared/src/jobs/registry.rs)"
    for schedule in stage.of("AWS::Scheduler::Schedule").values():
        said = schedule["Properties"]
        for job, _, period in _registry():
            if said["Target"].get("Input") == f'{{"job": "{job}"}}' and _longest_pause(said["ScheduleExpression"]) > period:
                yield f"the job {job} is watched as if it came every {period}, and {said['ScheduleExpression']} pauses longer"
    policy = stage.root["Resources"]["OperatorPolicy"]["Properties"]["PolicyDocument"]
    may = [each["Resource"] for each in policy["Statement"] if each["Action"] == "lambda:InvokeFunction"]
    invoked = {re.sub(r"\$\{(\w+)\.Arn\}:live", r"\1", arn["Fn::Sub"]) for arns in may for arn in arns}
    wanted = {"Ops", *registered().values()} - {"Worker"}
    if invoked != wanted:
        yield f"OperatorPolicy lets operators invoke {sorted(invoked)}, not {sorted(wanted)}"


def _longest_pause(expression):
    """Of `rate(...)`, or of `cron(...)` over two years. What else AWS takes in its fields is an error here."""
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        return timedelta(**{f"{rate[2]}s": int(rate[1])})
    minute, hour, of_month, month, of_week, year = re.fullmatch(r"cron\((.+)\)", expression)[1].split()
    assert year == "*", expression
    days = (datetime(2027, 1, 1, int(hour), int(minute)) + timedelta(days=count) for count in range(731))
    starts = [
        day
        for day in days
        if _is_in(month, str(day.month)) and _is_in(of_month, str(day.day)) and _is_in(of_week, f"{day:%a}".upper())
    ]
    return max(after - before for before, after in zip(starts, starts[1:], strict=False))


def _is_in(field, value):
    return field in ("*", "?") or value in field.split(",")


@check
def schedules(stage):
    """Whether the function takes the input, test_packages.py asks the function itself."""
    for name, schedule in stage.of("AWS::Scheduler::Schedule").items():
        try:
            said = json.loads(schedule["Properties"]["Target"].get("Input", ""))
        except ValueError as error:
            yield f"{name} sends what is no JSON ({error})"
            continue
        if not isinstance(said, dict) or not isinstance(said.get("job"), str):
            yield f"{name} names no job"
        if schedule["Properties"].get("State", "ENABLED") != "ENABLED":
            yield f"{name} is switched off"
        if schedule["Properties"].get("FlexibleTimeWindow") != {"Mode": "OFF"}:
            yield f"{name} comes when it likes"
        if schedule["Properties"].get("ScheduleExpressionTimezone", "UTC") != "UTC":
            yield f"{name} is not in UTC"
