"""Backups: who may do what to them, how long they stay, and who hears when there are none."""

import re

from . import check
from .access import allowed

BUCKET = "BackupsBucketArn"
# `{function: {(action, what of the bucket)}}`, of every function that may touch the bucket at all. What writes backups cannot
# delete them, and what deletes them cannot write any.
ALLOWED = {
    "Backup": {("s3:PutObject", "/database/*"), ("s3:AbortMultipartUpload", "/database/*"), ("s3:GetObject", "/database/*")},
    "Prune": {
        ("s3:ListBucket", ""),
        ("s3:ListBucketMultipartUploads", ""),
        ("s3:GetObject", "/database/*.json"),
        ("s3:DeleteObject", "/database/*"),
        ("s3:AbortMultipartUpload", "/database/*"),
    },
    "Drill": {("s3:ListBucket", ""), ("s3:GetObject", "/database/*")},
}
# Of the logins besides the functions' own, which every function on the database has.
LOGINS = {
    "MasterSecretArn": {"Migrate"},
    "ReaderLoginArn": {"Migrate", "Backup", "Reconcile"},
    "RestorerLoginArn": {"Migrate", "Drill"},
}
# Retention keeps twelve monthly backups (functions/backup), so the oldest is a year and a month old.
OLDEST = 366 + 31
# How long a mistake in deleting can be taken back, in days.
SECOND_THOUGHTS = 30
# After the schedule's time a backup has two hours (shared/src/jobs/registry.rs).
STALE = 26 * 3600


@check
def backups(stage):
    for name, function in stage.functions.items():
        role = function["Properties"]["Role"]["Fn::GetAtt"][0]
        may = set(_entries(stage, role))
        at_bucket = {(action, rest) for action, output, rest in may if output == BUCKET}
        for action, rest in sorted(at_bucket - ALLOWED.get(name, set())):
            yield f"{name} may do {action} on the bucket of backups{rest}"
        for action, rest in sorted(ALLOWED.get(name, set()) - at_bucket):
            yield f"{name} may not do {action} on the bucket of backups{rest}"
        for login, readers in LOGINS.items():
            reads = ("secretsmanager:GetSecretValue", login, "") in may
            if reads != (name in readers):
                yield f"{name} {'may' if reads else 'may not'} read {login}"


@check
def new_only(stage):
    """The bucket itself refuses to put anything in the place of a backup."""
    documents = [
        resource["Properties"]["PolicyDocument"]
        for resource in stage.nested["Storage"]["Resources"].values()
        if resource["Type"] == "AWS::S3::BucketPolicy" and resource["Properties"]["Bucket"] == {"Ref": "BackupsBucket"}
    ]
    if not any(_refuses_another(statement) for document in documents for statement in document["Statement"]):
        yield "BackupsBucket lets a backup be overwritten"


def _refuses_another(statement):
    # The parts of an upload know no If-None-Match, and create no object. What completes it does both. moto knows neither key:
    # infra/permissions does not try this policy, and so its words are all that is examined.
    condition = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
    return (
        (statement["Effect"], statement.get("Principal")) == ("Deny", "*")
        and _list(statement.get("Action", [])) == ["s3:PutObject"]
        and [_text(each) for each in _list(statement.get("Resource", []))] == ["${BackupsBucket.Arn}/database/*"]
        and statement.get("Condition") == condition
    )


def _entries(stage, role):
    """`(action, output of a nested template, what follows)`."""
    for _, owner, statement in allowed(stage):
        if owner != role:
            continue
        for resource in _list(statement.get("Resource", [])):
            text = _text(resource)
            found = re.fullmatch(r"\$\{\w+\.Outputs\.(\w+)\}(.*)", text)
            for action in _list(statement["Action"]) if found else []:
                yield action, found[1], found[2]


def _text(resource):
    if isinstance(resource, str):
        return resource
    return resource.get("Fn::Sub") or "${" + ".".join(resource.get("Fn::GetAtt", [])) + "}"


@check
def kept(stage):
    bucket = stage.nested["Storage"]["Resources"]["BackupsBucket"]["Properties"]
    replica = stage.apart["replica"]["Resources"]["Bucket"]["Properties"]
    for name, properties in (("BackupsBucket", bucket), ("Bucket of infra/replica.yaml", replica)):
        lock = properties.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
        if properties.get("VersioningConfiguration", {}).get("Status") != "Enabled" or not lock.get("Days"):
            yield f"{name} does not keep a backup from those who may delete it"
        rules = [rule for rule in properties["LifecycleConfiguration"]["Rules"] if rule["Status"] == "Enabled"]
        hidden = [rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays") for rule in rules]
        if [days for days in hidden if days] != [SECOND_THOUGHTS]:
            yield f"{name} does not keep for {SECOND_THOUGHTS} days what was deleted"
        if not any("AbortIncompleteMultipartUpload" in rule for rule in rules):
            yield f"{name} keeps what was never uploaded to its end"
    if _ages(bucket):
        yield "BackupsBucket lets backups go by their age, whether there are newer ones or not"
    if not _ages(replica):
        yield "Bucket of infra/replica.yaml keeps backups for ever: deletions are not replicated"
    elif min(_ages(replica)) < OLDEST:
        yield f"Bucket of infra/replica.yaml lets backups go that are still kept, after {min(_ages(replica))} days of {OLDEST}"


def _ages(bucket):
    rules = [rule for rule in bucket["LifecycleConfiguration"]["Rules"] if rule["Status"] == "Enabled"]
    return [rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule]


# `{job: (its function, the metric of its successes, the alarm when there are none)}`
HEARTBEATS = {"tick": ("Worker", "TicksSucceeded", "TickLate"), "backup": ("Backup", "BackupsSucceeded", "BackupLate")}


@check
def heartbeats(stage):
    """Log lines that have to come are counted, and an alarm tells when they do not: whatever the database says."""
    for job, (function, metric, late) in HEARTBEATS.items():
        log = stage.functions[function]["Properties"].get("LoggingConfig", {}).get("LogGroup")
        pattern = f'{{ $.job = "{job}" && $.outcome = "succeeded" }}'
        counted = [
            transformation["MetricName"]
            for resource in stage.of("AWS::Logs::MetricFilter").values()
            if resource["Properties"]["LogGroupName"] == log and resource["Properties"]["FilterPattern"] == pattern
            for transformation in resource["Properties"]["MetricTransformations"]
        ]
        if metric not in counted:
            yield f"nothing counts the successes of {job} ({metric})"
        alarm = stage.of("AWS::CloudWatch::Alarm").get(late, {"Properties": {}})["Properties"]
        if metric not in str(alarm):
            yield f"{late} is not about {metric}"
        if (alarm.get("TreatMissingData"), alarm.get("ComparisonOperator")) != ("breaching", "LessThanThreshold"):
            yield f"{late} is silent when there is nothing to count"
    parts = stage.of("AWS::CloudWatch::Alarm").get("BackupLate", {}).get("Properties", {})
    periods = [part["MetricStat"]["Period"] for part in parts.get("Metrics", []) if "MetricStat" in part]
    if [period * parts["EvaluationPeriods"] for period in periods] != [STALE] or "DatapointsToAlarm" in parts:
        yield f"BackupLate does not look at the last {STALE // 3600} hours"
    if not any("FILL(" in part.get("Expression", "") for part in parts.get("Metrics", [])):
        yield "BackupLate takes an older backup for one of the last hours (FILL)"


def _list(value):
    return value if isinstance(value, list) else [value]
