"""What one file says of another: nested templates, routes, schedules."""

import json
import re

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
    text = (ROOT / "shared/src/jobs/registry.rs").read_text()
    return dict(re.findall(r'name: "(\w+)",\s*function: "(\w+)"', text))


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
    policy = stage.root["Resources"]["OperatorPolicy"]["Properties"]["PolicyDocument"]
    may = [each["Resource"] for each in policy["Statement"] if each["Action"] == "lambda:InvokeFunction"]
    invoked = {re.sub(r"\$\{(\w+)\.Arn\}:live", r"\1", arn["Fn::Sub"]) for arns in may for arn in arns}
    wanted = {"Ops", *registered().values()} - {"Worker"}
    if invoked != wanted:
        yield f"OperatorPolicy lets operators invoke {sorted(invoked)}, not {sorted(wanted)}"


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
