"""Releases: what a deploy makes, in which order, and what is tested before it gets traffic."""

from stage import environment

from . import check
from .functions import hooks

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
        if name in BEFORE:
            continue
        if name not in before:
            yield f"{name} gets traffic before it is tested"
            continue
        if not str(stage.functions[before[name]]["Properties"]["FunctionName"]).startswith("CodeDeployHook_"):
            yield f"{before[name]} has a name that CodeDeploy may not call"
        group = groups[f"{name}DeploymentGroup"]["Properties"]
        watched = [alarm["Name"].get("Ref") for alarm in group.get("AlarmConfiguration", {}).get("Alarms", [])]
        if not any(f"'Ref': '{name}'" in str(alarms.get(alarm)) for alarm in watched):
            yield f"{name} keeps its traffic whatever its alarms say"
        tested = environment(stage, before[name]).get(f"{name.upper()}_VERSION")
        version = stage.version_of(name)
        if version and tested != {"Ref": version[0]}:
            yield f"{before[name]} does not test the new version of {name}"
