"""Every check finds what it is for: a copy of the templates with one fault, in the root or in a nested template, is found
by that check, and named. A check without a planted fault fails, too."""

import pytest
from checks import CHECKS
from stage import read_sources, translate

SOURCES = read_sources()
PARAMETERS = {"Stage": "production", "Release": "0123abc", "ReplicaBucketArn": "arn:aws:s3:::the-stack-replica"}
GONE = object()

TLS = "Properties.PolicyDocument.Statement.0"
STATEMENTS = "Properties.Policies.0.PolicyDocument.Statement"
OPERATORS = "OperatorPolicy.Properties.PolicyDocument.Statement"
VARIABLES = "Properties.Environment.Variables"
GROUPS = "arn:aws:codedeploy:${AWS::Region}:${AWS::AccountId}:deploymentgroup:"
OTHER_STAGE = "arn:aws:lambda:*:123456789012:function:solo-os-staging-ops:live"
SUBJECT = "token.actions.githubusercontent.com:sub"
BACKUPS = "${Storage.Outputs.BackupsBucketArn}"
HIDDEN = "Properties.LifecycleConfiguration.Rules.0.NoncurrentVersionExpiration.NoncurrentDays"
ZONE = "ScheduleExpressionTimezone"
WHEN = "ScheduleExpression"
ROUTE = {"Type": "HttpApi", "Properties": {"ApiId": {"Ref": "Api"}, "Path": "/cleanup", "Method": "ANY"}}
BODY = "Dashboard.Properties.DashboardBody.Fn::Sub.0"
DASHBOARD = SOURCES.root["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0]
OWN = r'\"SoloOS/${AWS::StackName}\"'
SEARCHED = r'MetricName=\"{}\"'
TRUST = "DeployRole.Properties.AssumeRolePolicyDocument.Statement.0.Condition"


def sid(role, name):
    """The path to a statement of a role in infra/github.yaml. Its place in the list may change."""
    said = SOURCES.apart["github"]["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    (place,) = [index for index, statement in enumerate(said) if statement["Sid"] == name]
    return f"{role}.{STATEMENTS}.{place}"


# Check, template, path below Resources (or from the top, with a slash), what is put there, what the fault names.
PLANTED = [
    ("logs", "root", "Worker.Properties.LoggingConfig", GONE, "Worker"),
    ("logs", "root", "Worker.Properties.LoggingConfig.LogGroup", {"Ref": "HealthLogs"}, "Worker"),
    ("logs", "root", "Worker.Properties.LoggingConfig.LogFormat", "Text", "Worker"),
    ("logs", "root", "HealthLogs.Properties.LogGroupName", "/aws/lambda/health", "Health"),
    ("logs", "root", "ApiLogs.Properties.RetentionInDays", GONE, "ApiLogs"),
    ("logs", "Network", "FlowLogs", {"Type": "AWS::Logs::LogGroup", "Properties": {}}, "FlowLogs"),
    ("aliases", "root", "Ops.Properties.AutoPublishAlias", "new", "Ops"),
    ("aliases", "root", "Health.Properties.AutoPublishAlias", "new", "/health/ready"),
    ("aliases", "root", "Worker.Properties.AutoPublishAlias", "new", "WorkerTick"),
    ("aliases", "root", "Courier.Properties.AutoPublishAlias", "new", "CourierOutbound"),
    ("concurrency", "root", "Health.Properties.ReservedConcurrentExecutions", GONE, "Health"),
    ("concurrency", "root", f"Worker.{VARIABLES}.WORKER_CONNECTIONS", "16", "110 connections"),
    ("concurrency", "root", "Webhooks.Properties.ReservedConcurrentExecutions", 44, "81 connections"),
    ("concurrency", "root", "Drill.Properties.ReservedConcurrentExecutions", 5, "82 connections"),
    ("concurrency", "root", "Courier.Properties.Events.Outbound.Properties.ScalingConfig", GONE, "Courier"),
    ("timeouts", "root", "Webhooks.Properties.Timeout", 60, "Webhooks"),
    ("timeouts", "root", "Inbox.Properties.VisibilityTimeout", 60, "Inbox"),
    ("timeouts", "root", "Courier.Properties.Timeout", 300, "Outbound"),
    ("failures", "root", "Worker.Properties.EventInvokeConfig", GONE, "Worker"),
    ("failures", "root", "Worker.Properties.EventInvokeConfig.DestinationConfig", GONE, "Worker"),
    ("failures", "root", "Ops.Properties.EventInvokeConfig", GONE, "Ops"),
    ("failures", "root", "MigrateFailures", GONE, "Migrate"),
    ("failures", "root", f"MigrateRole.{STATEMENTS}.2", GONE, "Migrate"),
    ("failures", "root", "SmokeFailures.Properties.Qualifier", "live", "Smoke"),
    ("failures", "root", "SmokeFailures.Properties.MaximumRetryAttempts", GONE, "Smoke"),
    ("failures", "root", "Worker.Properties.Events.Tick.Properties.DeadLetterConfig", GONE, "WorkerTick"),
    ("failures", "root", "Prune.Properties.Events.Daily.Properties.DeadLetterConfig", GONE, "PruneDaily"),
    ("failures", "root", "Backup.Properties.EventInvokeConfig.DestinationConfig", GONE, "Backup"),
    ("failures", "root", "Outbound.Properties.RedrivePolicy", GONE, "Outbound"),
    ("failures", "root", "Worker.Properties.Events.Inbox.Properties.FunctionResponseTypes", GONE, "Worker"),
    ("network", "root", "Courier.Properties.VpcConfig", {"SecurityGroupIds": [], "SubnetIds": []}, "Courier"),
    ("network", "root", "Ops.Properties.VpcConfig", GONE, "Ops"),
    ("network", "root", "Ops.Properties.VpcConfig.Ipv6AllowedForDualStack", GONE, "Ops"),
    ("network", "root", "Ops.Properties.VpcConfig.SecurityGroupIds", ["sg-1"], "Ops"),
    ("network", "root", f"Ops.{VARIABLES}.AWS_USE_DUALSTACK_ENDPOINT", GONE, "Ops"),
    ("doors", "Database", "Instance.Properties.PubliclyAccessible", True, "Instance"),
    ("doors", "Network", "DatabaseFromFunctions.Properties.CidrIpv6", "::/0", "DatabaseFromFunctions"),
    ("doors", "Network", "FunctionsSecurityGroup.Properties.SecurityGroupIngress", [{"CidrIp": "0.0.0.0/0"}], "FunctionsSec"),
    ("doors", "Network", "Gateway", {"Type": "AWS::EC2::InternetGateway"}, "Gateway"),
    ("doors", "Network", "SubnetA.Properties.MapPublicIpOnLaunch", True, "SubnetA"),
    ("doors", "root", "Url", {"Type": "AWS::Lambda::Url", "Properties": {}}, "Url"),
    ("retention", "Database", "Instance.DeletionPolicy", GONE, "Instance"),
    ("retention", "Storage", "AppSecret.UpdateReplacePolicy", "Delete", "AppSecret"),
    ("retention", "Storage", "BackupsBucket.DeletionPolicy", "Delete", "BackupsBucket"),
    ("retention", "Database", "RestorerLogin.DeletionPolicy", GONE, "RestorerLogin"),
    ("retention", "replica", "Bucket.UpdateReplacePolicy", GONE, "Bucket"),
    ("kept", "Storage", "BackupsBucket.Properties.LifecycleConfiguration.Rules.0.ExpirationInDays", 90, "by their age"),
    ("kept", "Storage", f"BackupsBucket.{HIDDEN}", 1, "BackupsBucket does not keep for 30 days"),
    ("kept", "Storage", "BackupsBucket.Properties.VersioningConfiguration.Status", "Suspended", "BackupsBucket"),
    ("kept", "Storage", "BackupsBucket.Properties.ObjectLockConfiguration", GONE, "BackupsBucket"),
    ("kept", "replica", "Bucket.Properties.LifecycleConfiguration.Rules.0.ExpirationInDays", 365, "that are still kept"),
    ("kept", "replica", "Bucket.Properties.LifecycleConfiguration.Rules.0.Status", "Disabled", "for ever"),
    ("names", "root", "Inbox.Properties.QueueName", "inbox", "Inbox"),
    ("names", "root", "Dashboard.Properties.DashboardName", "solo-os", "Dashboard"),
    ("names", "root", "Budget.Properties.Budget.BudgetName", "monthly", "Budget"),
    ("names", "root", "WorkerRelease.Properties.AlarmName", {"Fn::Sub": "worker-${Worker.Version.Version}"}, "WorkerRelease"),
    ("names", "Storage", "AssetsBucket.Properties.BucketName", "assets", "AssetsBucket"),
    ("names", "Database", "Instance.Properties.DBInstanceIdentifier", "solo", "Instance"),
    ("spool", "Storage", "AssetsBucket.Properties.LifecycleConfiguration.Rules.1.ExpirationInDays", 18, "AssetsBucket"),
    ("spool", "root", "InboxDead.Properties.MessageRetentionPeriod", 2_600_000, "AssetsBucket"),
    ("encryption", "root", "Inbox.Properties.SqsManagedSseEnabled", False, "Inbox"),
    ("encryption", "Database", "Instance.Properties.StorageEncrypted", GONE, "Instance"),
    ("encryption", "replica", "Bucket.Properties.BucketEncryption", GONE, "Bucket"),
    ("alarms", "root", "TickLate.Properties.OKActions", GONE, "TickLate"),
    ("alarms", "Database", "CpuAlarm.Properties.AlarmActions", [], "CpuAlarm"),
    ("alarms", "Uptime", "Alarm.Properties.TreatMissingData", GONE, "Alarm of infra/uptime.yaml"),
    ("alarms", "root", "Throttles.Properties.ActionsEnabled", False, "Throttles"),
    ("percentiles", "root", "WebhooksSlow.Properties.EvaluateLowSampleCountPercentile", "ignore", "WebhooksSlow"),
    ("runbook", "root", "InboxOld.Properties.AlarmDescription", "An event waits.", "InboxOld"),
    ("runbook", "Database", "CpuAlarm.Properties.AlarmDescription", 'See docs/runbook.md, "Nowhere".', "Nowhere"),
    ("watched", "root", "OpsErrors.Properties.Metrics.1.MetricStat.Metric.Dimensions.0.Value", {"Ref": "Health"}, "Ops"),
    ("watched", "root", "BackupErrors", GONE, "Backup"),
    ("watched", "root", "DrillErrors.Properties.MetricName", "Invocations", "Drill"),
    ("watched", "root", "OutboundDeadNotEmpty", GONE, "OutboundDead"),
    ("heartbeats", "root", "BackupLate.Properties.TreatMissingData", "notBreaching", "BackupLate is silent"),
    ("heartbeats", "root", "TickLate.Properties.TreatMissingData", "notBreaching", "TickLate is silent"),
    ("heartbeats", "root", "BackupLate.Properties.EvaluationPeriods", 48, "26 hours"),
    ("heartbeats", "root", "BackupLate.Properties.DatapointsToAlarm", 1, "26 hours"),
    ("heartbeats", "root", "BackupLate.Properties.Metrics.0.Expression", "backups", "FILL"),
    ("heartbeats", "root", "BackupLate", GONE, "BackupLate"),
    ("heartbeats", "root", "Backups", GONE, "BackupsSucceeded"),
    ("heartbeats", "root", "Backups.Properties.LogGroupName", {"Ref": "PruneLogs"}, "BackupsSucceeded"),
    ("heartbeats", "root", "Backups.Properties.FilterPattern", '{ $.job = "backup" }', "BackupsSucceeded"),
    ("metrics", "root", "EventsDie.Properties.MetricName", "DeadLetters", "DeadLetters"),
    ("metrics", "root", "EventsDie.Properties.Dimensions", [{"Name": "Reason", "Value": "invalid_signature"}], "EventsDie"),
    ("metrics", "root", "EventsSlow.Properties.Namespace", "SoloOS/another-stack", "EventsSlow"),
    ("metrics", "root", "EventsFail.Properties.Metrics.1.MetricStat.Metric.MetricName", "Done", "EventsFail looks at Done"),
    ("metrics", "root", "SignaturesRefused.Properties.Dimensions.0.Value", "wrong_signature", "wrong_signature"),
    ("metrics", "root", "SignaturesRefused.Properties.Dimensions.0.Value", "already_processed", "already_processed"),
    ("metrics", "root", "SignaturesRefused.Properties.Dimensions.0.Name", "Provider", "SignaturesRefused"),
    ("metrics", "root", "TickLate.Properties.MetricName", "Ticks", "TickLate"),
    ("metrics", "root", BODY, DASHBOARD.replace('"Retried"', '"Repeated"'), "Repeated"),
    ("metrics", "root", BODY, DASHBOARD.replace('"Retried"', '"InitDuration", "Function", "cron"'), "the Function cron"),
    ("metrics", "root", BODY, DASHBOARD.replace('"Retried"', '"Received"'), "Retried by [] is paid for"),
    ("metrics", "root", BODY, DASHBOARD.replace(",Handler}", ",Provider}"), "looks at HandlerDuration by ['Provider']"),
    ("metrics", "root", BODY, DASHBOARD.replace(SEARCHED.format("Dead"), SEARCHED.format("Died")), "looks at Died"),
    ("metrics", "root", BODY, DASHBOARD.replace(SEARCHED.format("Dead"), SEARCHED.format("Failed")), "Dead by ['Provider'] is paid"),
    ("metrics", "root", BODY, DASHBOARD.replace(SEARCHED.format("Dead"), "Dead"), "whatever SEARCH("),
    ("metrics", "root", BODY, DASHBOARD.replace(OWN + ",Function}", "SoloOS,Function}"), "looks into SoloOS,"),
    ("metrics", "root", f"Courier.{VARIABLES}.METRICS_NAMESPACE", "SoloOS", "Courier does not emit"),
    ("watched", "root", "FailuresPile.Properties.MetricName", "NumberOfMessagesSent", "Failures"),
    ("wildcards", "root", f"WorkerRole.{STATEMENTS}.1.Resource", "*", "WorkerRole"),
    ("wildcards", "root", f"WorkerRole.{STATEMENTS}.2.Action", ["sqs:*"], "WorkerRole"),
    ("wildcards", "root", f"CourierRole.{STATEMENTS}.2.Resource", {"Fn::Sub": "arn:aws:sqs:${AWS::Region}:1:*"}, "CourierRole"),
    ("wildcards", "root", f"SmokeRole.{STATEMENTS}.3.Resource", {"Fn::Sub": f"{GROUPS}*/*"}, "SmokeRole"),
    ("wildcards", "root", f"WebhooksRole.{STATEMENTS}.3.Resource", "arn:aws:s3:::*/spool", "WebhooksRole"),
    ("wildcards", "root", "TracesPolicy.Properties.PolicyDocument.Statement.0.Action", ["s3:GetObject"], "TracesPolicy"),
    ("wildcards", "root", "OpsRole.Properties.ManagedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"], "OpsRole"),
    ("wildcards", "root", f"{OPERATORS}.5.Resource", [{"Fn::Sub": "arn:aws:logs:${AWS::Region}:1:log-group:*"}], "OperatorPolicy"),
    ("operators", "root", f"{OPERATORS}.5.Resource.1", GONE, "SmokeLogs"),
    ("operators", "root", f"{OPERATORS}.4.Action.0", GONE, "lambda:GetAlias"),
    ("operators", "root", f"{OPERATORS}.7.Action", "budgets:DescribeBudgetAction", "budgets:ViewBudget"),
    ("wildcards", "root", f"OpsRole.{STATEMENTS}.0.NotAction", ["s3:GetObject"], "OpsRole"),
    ("wildcards", "Storage", "ReplicationPolicy.Properties.PolicyDocument.Statement.0.Resource", "*", "ReplicationPolicy"),
    ("wildcards", "github", sid("StackRole", "Schedules") + ".Action", ["scheduler:*"], "StackRole"),
    ("wildcards", "github", sid("DeployRole", "Secrets") + ".Action", ["secretsmanager:*"], "DeployRole"),
    ("wildcards", "github", sid("DeployRole", "Secrets") + ".Resource", "*", "DeployRole"),
    ("deployers", "github", sid("DeployRole", "Record") + ".Resource", OTHER_STAGE, "Record"),
    ("deployers", "github", sid("StackRole", "Functions") + ".Resource", OTHER_STAGE, "Functions"),
    ("deployers", "github", sid("StackRole", "Queues") + ".Resource", "arn:aws:sqs:*:1:solo-os-*", "Queues"),
    ("deployers", "github", sid("StackRole", "NotTheseRoles"), GONE, "change itself"),
    ("deployers", "github", sid("StackRole", "RolesPolicies") + ".Condition", GONE, "attach any"),
    ("deployers", "github", sid("StackRole", "Budgets") + ".Action", [f"budgets:{'A' * 2000}"], "more policies than IAM takes"),
    ("deployers", "github", sid("StackRole", "HealthChecks"), GONE, "said to be broad"),
    ("trust", "github", f"{TRUST}.StringLike", GONE, "anyone"),
    ("trust", "github", f"{TRUST}.StringEquals", GONE, "somebody else"),
    ("trust", "github", f"{TRUST}.StringLike", {SUBJECT: {"Fn::Sub": "repo:${Owner}/${Name}:*"}}, "repo:${Owner}/${Name}:*"),
    (
        "trust",
        "github",
        f"{TRUST}.StringLike",
        {SUBJECT: {"Fn::Sub": "repo:${Owner}/*:environment:${Stage}"}},
        "repo:${Owner}/*",
    ),
    ("trust", "github", f"{TRUST}.StringLike", {SUBJECT: {"Fn::Sub": "repo:${Owner}/${Name}:environment:staging"}}, "staging"),
    ("public", "Storage", "AssetsBucket.Properties.PublicAccessBlockConfiguration.BlockPublicPolicy", False, "AssetsBucket"),
    ("public", "Storage", "BackupsBucket.Properties.AccessControl", "PublicRead", "BackupsBucket"),
    ("public", "replica", f"BucketPolicy.{TLS}.Effect", "Allow", "BucketPolicy"),
    ("public", "root", "OutboundPolicy.Properties.PolicyDocument.Statement.1.Principal", {"AWS": "*"}, "OutboundPolicy"),
    (
        "public",
        "root",
        "Open",
        {"Type": "AWS::Lambda::Permission", "Properties": {"Principal": "*", "FunctionName": {"Ref": "OpsAliaslive"}}},
        "Open",
    ),
    ("transport", "Storage", "AssetsBucketPolicy", GONE, "AssetsBucket"),
    ("transport", "root", "QueuesPolicy.Properties.Queues", [{"Ref": "Inbox"}], "Failures"),
    (
        "backups",
        "root",
        f"BackupRole.{STATEMENTS}.2.Action",
        ["s3:PutObject", "s3:DeleteObject"],
        "Backup may do s3:DeleteObject",
    ),
    ("new_only", "Storage", "BackupsBucketPolicy.Properties.PolicyDocument.Statement.1", GONE, "BackupsBucket"),
    ("new_only", "Storage", "BackupsBucketPolicy.Properties.PolicyDocument.Statement.1.Condition.Bool", GONE, "BackupsBucket"),
    ("backups", "root", f"BackupRole.{STATEMENTS}.2.Action", ["s3:PutObject"], "Backup may not do s3:AbortMultipartUpload"),
    ("backups", "root", f"BackupRole.{STATEMENTS}.2.Resource", {"Fn::Sub": f"{BACKUPS}/*"}, "Backup may do s3:PutObject"),
    ("backups", "root", f"PruneRole.{STATEMENTS}.4.Action", ["s3:DeleteObject", "s3:PutObject"], "Prune may do s3:PutObject"),
    ("backups", "root", f"PruneRole.{STATEMENTS}.4.Action", "s3:DeleteObjectVersion", "Prune may do s3:DeleteObjectVersion"),
    (
        "backups",
        "root",
        f"DrillRole.{STATEMENTS}.3.Action",
        ["s3:GetObject", "s3:DeleteObject"],
        "Drill may do s3:DeleteObject",
    ),
    (
        "backups",
        "root",
        f"DrillRole.{STATEMENTS}.1.Resource",
        {"Fn::GetAtt": ["Database", "Outputs.MasterSecretArn"]},
        "Drill may read",
    ),
    (
        "backups",
        "root",
        f"CleanupRole.{STATEMENTS}.1.Resource",
        {"Fn::GetAtt": ["Database", "Outputs.ReaderLoginArn"]},
        "Cleanup may",
    ),
    (
        "backups",
        "root",
        f"ReconcileRole.{STATEMENTS}.1.Resource",
        {"Fn::GetAtt": ["Database", "Outputs.AppLoginArn"]},
        "Reconcile may not",
    ),
    (
        "backups",
        "root",
        f"OpsRole.{STATEMENTS}.1",
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": {"Fn::Sub": f"{BACKUPS}/database/*"}},
        "Ops may do s3:GetObject",
    ),
    ("roles", "root", "Prune.Properties.Role", {"Fn::GetAtt": ["BackupRole", "Arn"]}, "Prune shares"),
    ("roles", "root", "Drill.Properties.Role", {"Fn::GetAtt": ["PruneRole", "Arn"]}, "Drill shares"),
    ("roles", "root", "Ops.Properties.Role", {"Fn::GetAtt": ["WorkerRole", "Arn"]}, "Ops shares"),
    ("roles", "root", f"OpsRole.{STATEMENTS}.0.Resource", {"Fn::GetAtt": ["WorkerLogs", "Arn"]}, "OpsRole"),
    ("secrets", "root", "/Outputs.DatabasePassword", {"Value": "{{resolve:secretsmanager:app}}"}, "DatabasePassword"),
    ("secrets", "root", "/Outputs.Login", {"Value": {"Fn::GetAtt": ["Database", "Outputs.AppPassword"]}}, "AppPassword"),
    ("secrets", "root", "/Outputs.Url", {"Value": {"Fn::Sub": "https://${Storage.Outputs.EventsToken}@x"}}, "EventsToken"),
    ("secrets", "Database", "/Outputs.Login", {"Value": "{{resolve:secretsmanager:app}}"}, "Login of infra/database.yaml"),
    ("secrets", "Database", "/Parameters.Master", {"Type": "String", "NoEcho": True, "Default": ""}, "Master"),
    ("secrets", "root", f"Ops.{VARIABLES}.DATABASE_URL", "{{resolve:secretsmanager:app}}", "DATABASE_URL"),
    ("order", "root", "Health.DependsOn", GONE, "Health"),
    ("order", "root", "Migration.Properties.ServiceToken", {"Ref": "Migrate.Version"}, "Migration"),
    ("order", "root", "Migration.Properties.Version", GONE, "Migration"),
    ("order", "root", "Migration.Properties.Database", GONE, "another database"),
    ("versions", "root", "Health.UpdateReplacePolicy", GONE, "Health"),
    ("versions", "root", "Health.Properties.VersionDeletionPolicy", "Delete", "Health"),
    ("versions", "root", "Health.Properties.VersionDescription", "Health", "Health"),
    ("versions", "root", f"Ops.{VARIABLES}.RELEASE", GONE, "Ops"),
    ("versions", "root", f"Migrate.{VARIABLES}.RELEASE", {"Ref": "Release"}, "Migrate"),
    ("traffic", "root", "Health.Properties.DeploymentPreference", {"Hooks": {}}, "Health"),
    ("traffic", "root", "Worker.Properties.DeploymentPreference.Alarms", [{"Ref": "WorkerErrors"}], "Worker"),
    ("traffic", "root", "Worker.Properties.DeploymentPreference.Alarms", [{"Ref": "OpsRelease"}], "Worker"),
    ("traffic", "root", "Cleanup.Properties.Events.Web", ROUTE, "Cleanup"),
    ("traffic", "root", "WorkerRelease.Properties.MetricName", "Invocations", "WorkerRelease"),
    ("traffic", "root", "WorkerRelease.Properties.Dimensions.0.Value", {"Ref": "Ops"}, "WorkerRelease"),
    ("traffic", "root", "WorkerRelease.Properties.Dimensions.1.Value", {"Fn::Sub": "${Worker}:new"}, "WorkerRelease"),
    ("traffic", "root", "WorkerRelease.Properties.Dimensions.2", GONE, "WorkerRelease"),
    (
        "traffic",
        "root",
        "WorkerRelease.Properties.Dimensions.2.Value",
        {"Fn::GetAtt": ["Ops", "Version.Version"]},
        "WorkerRelease",
    ),
    ("traffic", "root", "WorkerRelease.Properties.AlarmName", {"Fn::Sub": "${AWS::StackName}-worker"}, "WorkerRelease"),
    ("traffic", "root", "Smoke.Properties.FunctionName", {"Fn::Sub": "${AWS::StackName}-smoke"}, "Smoke"),
    ("traffic", "root", f"Smoke.{VARIABLES}.OPS_VERSION", {"Ref": "Ops"}, "Ops"),
    ("environment", "root", f"Webhooks.{VARIABLES}.INBOX_QUEUE_URL", GONE, "INBOX_QUEUE_URL"),
    ("environment", "root", f"Courier.{VARIABLES}.ASSETS_BUCKET", "assets", "ASSETS_BUCKET"),
    ("environment", "root", f"Health.{VARIABLES}.MAX_ATTEMPTS", "5", "MAX_ATTEMPTS"),
    ("environment", "root", f"Health.{VARIABLES}.ASSETS_BUCKET", GONE, "Health needs ASSETS_BUCKET"),
    ("environment", "root", f"Health.{VARIABLES}.OUTBOUND_QUEUE_URL", {"Ref": "Outbound"}, "Health gets OUTBOUND_QUEUE_URL"),
    ("environment", "root", f"Migrate.{VARIABLES}.MASTER_SECRET_ID", GONE, "MASTER_SECRET_ID"),
    ("environment", "root", f"Backup.{VARIABLES}.READER_LOGIN_SECRET_ID", GONE, "Backup needs READER_LOGIN_SECRET_ID"),
    ("environment", "root", f"Prune.{VARIABLES}.BACKUPS_BUCKET", GONE, "Prune needs BACKUPS_BUCKET"),
    ("environment", "root", f"Prune.{VARIABLES}.READER_LOGIN_SECRET_ID", "reader", "Prune gets READER_LOGIN_SECRET_ID"),
    ("environment", "root", f"Cleanup.{VARIABLES}.DATABASE_URL", GONE, "Cleanup needs DATABASE_URL"),
    ("environment", "root", f"Reconcile.{VARIABLES}.OUTBOUND_QUEUE_URL", GONE, "Reconcile needs OUTBOUND_QUEUE_URL"),
    ("environment", "root", "Ops.Metadata.BuildProperties.Binary", "oops", "functions/oops"),
    ("nested", "root", "Storage.Properties.Parameters.Replica", "x", "Replica"),
    ("nested", "root", "Database.Properties.Parameters.SubnetIds", GONE, "SubnetIds"),
    ("nested", "Database", "/Outputs.Endpoint", GONE, "Endpoint"),
    ("nested", "Storage", "/Outputs.AppSecretArn", GONE, "AppSecretArn"),
    ("nested", "Uptime", "/Parameters.Path", {"Type": "String"}, "Path"),
    ("routes", "root", "Webhooks.Properties.Events.Events", GONE, "/events"),
    ("routes", "root", "Health.Properties.Events.Live.Properties.Path", "/alive", "/alive"),
    ("routes", "root", "Health.Properties.Events.Metrics", GONE, "/metrics"),
    ("schedules", "root", "Worker.Properties.Events.Tick.Properties.Input", "{job: tick}", "WorkerTick"),
    ("schedules", "root", "Worker.Properties.Events.Tick.Properties.Input", GONE, "WorkerTick"),
    ("schedules", "root", "Worker.Properties.Events.Tick.Properties.Input", '{"work": "tick"}', "WorkerTick"),
    ("schedules", "root", "Worker.Properties.Events.Tick.Properties.State", "DISABLED", "WorkerTick"),
    ("schedules", "root", "Drill.Properties.Events.Quarterly.Properties.FlexibleTimeWindow.Mode", "FLEXIBLE", "DrillQuarterly"),
    ("schedules", "root", f"Backup.Properties.Events.Daily.Properties.{ZONE}", "Europe/Berlin", "BackupDaily"),
    ("jobs", "root", "Worker.Properties.Events.Tick", GONE, "the job tick of Worker"),
    ("jobs", "root", "Backup.Properties.Events.Daily", GONE, "the job backup of Backup"),
    ("jobs", "root", "Prune.Properties.Events.Daily", GONE, "the job prune of Prune"),
    ("jobs", "root", "Drill.Properties.Events.Quarterly", GONE, "the job drill of Drill"),
    ("jobs", "root", "Cleanup.Properties.Events.Daily", GONE, "the job cleanup of Cleanup"),
    ("jobs", "root", "Reconcile.Properties.Events.Daily", GONE, "the job reconcile of Reconcile"),
    ("jobs", "root", "Reconcile.Properties.Events.Weekly", GONE, "the job drift of Reconcile"),
    ("jobs", "root", "Reconcile.Properties.Events.Monthly", GONE, "the job review of Reconcile"),
    ("jobs", "root", f"Backup.Properties.Events.Daily.Properties.{WHEN}", "cron(30 1 ? * MON *)", "the job backup is watched"),
    ("jobs", "root", f"Drill.Properties.Events.Quarterly.Properties.{WHEN}", "cron(0 7 2 1,7 ? *)", "the job drill is watched"),
    ("jobs", "root", f"Worker.Properties.Events.Tick.Properties.{WHEN}", "rate(5 minutes)", "the job tick is watched"),
    ("jobs", "root", "Prune.Properties.Events.Daily.Properties.Input", '{"job": "backup"}', "Prune has a schedule for backup"),
    ("jobs", "root", "OperatorPolicy.Properties.PolicyDocument.Statement.0.Resource.3", GONE, "Drill"),
    (
        "jobs",
        "root",
        "OperatorPolicy.Properties.PolicyDocument.Statement.0.Resource.0",
        {"Fn::Sub": "${Worker.Arn}:live"},
        "Worker",
    ),
]


# A fault that is one in the eyes of another check, too.
ALSO = {
    ("aliases", "Courier.Properties.AutoPublishAlias"): {"failures"},
    ("logs", "Worker.Properties.LoggingConfig"): {"roles", "heartbeats"},
    ("logs", "Worker.Properties.LoggingConfig.LogGroup"): {"roles", "heartbeats"},
    ("environment", f"Cleanup.{VARIABLES}.DATABASE_URL"): {"network"},
    ("logs", "HealthLogs.Properties.LogGroupName"): {"names", "operators"},
    ("aliases", "Health.Properties.AutoPublishAlias"): {"routes"},
    ("public", f"BucketPolicy.{TLS}.Effect"): {"wildcards", "transport"},
    ("wildcards", sid("DeployRole", "Secrets") + ".Resource"): {"deployers"},
    ("secrets", "/Outputs.Login"): {"nested"},
    ("secrets", "/Outputs.Url"): {"nested"},
    ("traffic", "Smoke.Properties.FunctionName"): {"logs"},
    # It answers the API without being made for it.
    ("traffic", "Cleanup.Properties.Events.Web"): {"routes", "timeouts"},
    ("roles", "Prune.Properties.Role"): {"backups"},
    ("roles", "Drill.Properties.Role"): {"backups"},
    ("schedules", "Worker.Properties.Events.Tick.Properties.Input"): {"jobs"},
    # An alarm of a line that is not counted any more, or of another name.
    ("heartbeats", "Backups"): {"metrics"},
    ("metrics", "TickLate.Properties.MetricName"): {"heartbeats"},
}


def planted(template, path, value):
    sources = SOURCES.copy()
    place = sources.root if template == "root" else {**sources.nested, **sources.apart}[template]
    *way, last = path[1:].split(".") if path.startswith("/") else ["Resources", *path.split(".")]
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    last = int(last) if isinstance(place, list) else last
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return sources


@pytest.mark.parametrize(
    ("check", "template", "path", "value", "named"), PLANTED, ids=[f"{each[0]}-{each[1]}-{each[2]}" for each in PLANTED]
)
def test_a_planted_fault_is_found(known, check, template, path, value, named):
    stage = translate(planted(template, path, value), **PARAMETERS)
    found = {name: [fault for fault in CHECKS[name](stage) if fault not in known[name]] for name in CHECKS}
    assert any(named in fault for fault in found[check]), f"{check} does not find it: {found[check]}"
    others = {name for name, faults in found.items() if faults} - {check}
    assert others - ALSO.get((check, path), set()) == set()


def test_an_error_of_one_word_is_a_reason():
    stage = translate(planted("root", "SignaturesRefused.Properties.Dimensions.0.Value", "unavailable"), **PARAMETERS)
    assert CHECKS["metrics"](stage) == []


@pytest.fixture(scope="module")
def known():
    stage = translate(SOURCES, **PARAMETERS)
    return {name: CHECKS[name](stage) for name in CHECKS}


def test_every_check_is_shown_to_find_something():
    assert set(CHECKS) == {each[0] for each in PLANTED}


def test_every_nested_template_has_planted_faults():
    assert {*SOURCES.nested, *SOURCES.apart, "root"} == {each[1] for each in PLANTED}
