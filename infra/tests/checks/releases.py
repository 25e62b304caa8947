"""Releases: what a deploy makes, in which order, and what is tested before it gets traffic."""

from stage import environment

from . import check
from .functions import api_routes, hooks
from .wiring import registered

# These two act before there is a new release to speak of.
BEFORE = ("Migrate", "Smoke")


@check
def order(stage):
    migration = stage.root["Resources"].get("Migration", {}).get("Properties", {})
    if migration.get("ServiceToken") != {"Fn::GetAtt": ["Migrate", "Arn"]}:
        yield "Migration is not served by Migrate itself, without a version: CloudFormation refuses to change a service token"
    version = stage.version_of("Migrate")
    if version is None or migration.get("Version") != {"Ref": version[0]}:
        yield "Migration does not run again when the code of Migrate changes"
    if migration.get("Database") != stage.parameters["DatabaseName"]:
        yield "Migration does not run again when the functions use another database (a version takes no notice of a parameter)"
    for name, function in stage.functions.items():
        after = function.get("DependsOn", [])
        after = after if isinstance(after, list) else [after]
        if name not in BEFORE and "Migration" not in after:
            yield f"{name} may change before the database does (DependsOn)"


@check
def versions(stage):
    """Each release is a version of each function, and stays: a rollback goes back to it.

    SAM names a version by a hash of the function as it is written, where the release is `Ref: Release` always
    (serverless-application-model #3820). So it is the version's description that makes CloudFormation replace it, and
    `UpdateReplacePolicy` that keeps the old one.
    """
    release = stage.parameters["Release"]
    for name in stage.functions:
        version = stage.version_of(name)
        if version is None:
            continue
        made_anew = version[1]["Properties"].get("Description") == release
        if name in BEFORE:
            if made_anew or release in str(environment(stage, name)):
                yield f"{name} changes with each release, though its code does not"
            continue
        if not made_anew or environment(stage, name).get("RELEASE") != release:
            yield f"{name} has no version of its own in each release"
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if version[1].get(policy) != "Retain":
                yield f"{name} loses the version that a rollback would go back to ({policy})"


@check
def traffic(stage):
    groups = stage.of("AWS::CodeDeploy::DeploymentGroup")
    alarms = stage.of("AWS::CloudWatch::Alarm")
    before = hooks(stage)
    for name in stage.functions:
        if name in BEFORE or _is_by_the_clock(stage, name):
            continue
        if name not in before:
            yield f"{name} gets traffic before it is tested"
            continue
        if not str(stage.functions[before[name]]["Properties"]["FunctionName"]).startswith("CodeDeployHook_"):
            yield f"{before[name]} has a name that CodeDeploy may not call"
        group = groups[f"{name}DeploymentGroup"]["Properties"]
        version = stage.version_of(name)
        watched = [alarm["Name"].get("Ref") for alarm in group.get("AlarmConfiguration", {}).get("Alarms", [])]
        if watched != [f"{name}Release"] or watched[0] not in alarms:
            yield f"{name} keeps its traffic whatever {name}Release says"
        elif version:
            yield from _about_the_release(stage, name, version[0], alarms[watched[0]]["Properties"])
        tested = environment(stage, before[name]).get(f"{name.upper()}_VERSION")
        if version and tested != {"Ref": version[0]}:
            yield f"{before[name]} does not test the new version of {name}"


def _is_by_the_clock(stage, function):
    """Nothing but schedules calls it, and people: it has no traffic to be moved bit by bit."""
    fed = {mapping["Properties"]["FunctionName"].get("Ref") for mapping in stage.of("AWS::Lambda::EventSourceMapping").values()}
    asked = {called for _, _, called in api_routes(stage)}
    return function in registered().values() and f"{function}Aliaslive" not in fed and function not in asked


def _about_the_release(stage, function, version, alarm):
    """An alarm about all versions, or about the last one, would stop the deployment of its own fix. So it is about the errors
    of the new version, and named after it: CloudFormation then makes a new alarm, which has seen nothing yet."""
    name = stage.functions[function]["Properties"]["FunctionName"]
    said = {dimension["Name"]: dimension["Value"] for dimension in alarm.get("Dimensions", [])}
    if (alarm.get("Namespace"), alarm.get("MetricName")) != ("AWS/Lambda", "Errors"):
        yield f"{function}Release is not about errors"
    if said.get("FunctionName") not in ({"Ref": function}, name):
        yield f"{function}Release is not about {function}"
    if said.get("Resource") not in ({"Fn::Sub": f"${{{function}}}:live"}, f"{name}:live"):
        yield f"{function}Release is not about the traffic of the alias live"
    if said.get("ExecutedVersion") != {"Fn::GetAtt": [version, "Version"]}:
        yield f"{function}Release is not about the new version of {function}"
    if version not in str(alarm.get("AlarmName")):
        yield f"{function}Release has the same name for each version, and the state of the last one"
