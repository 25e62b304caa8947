"""What must survive: a deletion of the stack, a second stage beside it, a message that waits."""

from . import check

STATEFUL = {
    "AWS::RDS::DBInstance": ("Snapshot", "Retain"),
    "AWS::S3::Bucket": ("Retain",),
    "AWS::SecretsManager::Secret": ("Retain",),
}
# Properties that name a thing in its account, and would collide with another stage's.
NAMES = {
    "AWS::ApiGatewayV2::Api": "Name",
    "AWS::Budgets::Budget": "Budget.BudgetName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::EC2::SecurityGroup": "GroupName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::RDS::DBInstance": "DBInstanceIdentifier",
    "AWS::RDS::DBParameterGroup": "DBParameterGroupName",
    "AWS::RDS::DBSubnetGroup": "DBSubnetGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
}


@check
def retention(stage):
    for where, name, resource in stage.all_of(*STATEFUL):
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if resource.get(policy) not in STATEFUL[resource["Type"]]:
                yield f"{name} of {where} holds data, and its {policy} lets it go"


@check
def names(stage):
    for where, name, resource in stage.all_of(*NAMES):
        value = resource.get("Properties", {})
        for part in NAMES[resource["Type"]].split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None and "the-stack" not in str(value):
            yield f"{name} of {where} has a name that another stage would have too"


@check
def spool(stage):
    """An event that is too large for the queue lies in the bucket for as long as its message may lie in a queue."""
    queues = stage.of("AWS::SQS::Queue")
    waits = sum(queues[name]["Properties"]["MessageRetentionPeriod"] for name in ("Inbox", "InboxDead"))
    bucket = stage.nested["Storage"]["Resources"]["AssetsBucket"]["Properties"]
    for rule in bucket.get("LifecycleConfiguration", {}).get("Rules", []):
        covers = "spool/".startswith(rule.get("Prefix", "")) or rule.get("Prefix", "").startswith("spool/")
        if covers and rule.get("ExpirationInDays", 10_000) * 86_400 <= waits:
            yield f"AssetsBucket drops events (rule {rule['Id']}) whose messages may still come, after {waits // 86_400} days"


@check
def encryption(stage):
    for where, name, queue in stage.all_of("AWS::SQS::Queue"):
        properties = queue.get("Properties", {})
        if properties.get("SqsManagedSseEnabled") is not True and "KmsMasterKeyId" not in properties:
            yield f"{name} of {where} is not encrypted"
    for where, name, instance in stage.all_of("AWS::RDS::DBInstance"):
        if instance["Properties"].get("StorageEncrypted") is not True:
            yield f"{name} of {where} is not encrypted"
    for where, name, bucket in stage.all_of("AWS::S3::Bucket"):
        if "BucketEncryption" not in bucket.get("Properties", {}):
            yield f"{name} of {where} is not encrypted"
