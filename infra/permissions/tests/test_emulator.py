"""The emulator holds a role to its policies, service by service. It is asked as a function would ask it."""

import json

import pytest
from botocore.exceptions import ClientError

from permissions.verdict import Call, faults

PLACE = "us-east-1:123456789012"


def refused(call, **arguments):
    """Why a call failed. (moto says a denial in XML, whatever the service speaks.)"""
    try:
        call(**arguments)
    except ClientError as error:
        denied = error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        return "AccessDenied" if denied else error.response["Error"]["Code"]
    return None


@pytest.fixture
def queue():
    def make(emulator, kind):
        made = emulator.client("sqs", emulator.of_admin).create_queue(QueueName=f"test-1-{kind}")
        return made["QueueUrl"]

    return make


def test_a_queue_is_told_from_the_others(stage, emulator, queue):
    running = emulator(stage, "Ops")
    sqs = running.client("sqs", running.of_role)
    inbox, dead = queue(running, "inbox"), queue(running, "inbox-dead")
    assert refused(sqs.send_message, QueueUrl=inbox, MessageBody="a") is None
    entries = [{"Id": "1", "MessageBody": "a"}]
    assert refused(sqs.send_message_batch, QueueUrl=inbox, Entries=entries) is None
    assert refused(sqs.send_message_batch, QueueUrl=dead, Entries=entries) == "AccessDenied"
    assert refused(sqs.receive_message, QueueUrl=inbox) == "AccessDenied"
    gone = inbox.replace("test-1", "test-2")
    assert "NonExistent" in refused(sqs.send_message, QueueUrl=gone, MessageBody="a"), "who may send is told"
    assert running.calls() == [
        Call("sqs:SendMessage", f"arn:aws:sqs:{PLACE}:test-1-inbox", True),
        Call("sqs:SendMessage", f"arn:aws:sqs:{PLACE}:test-1-inbox", True),
        Call("sqs:SendMessage", f"arn:aws:sqs:{PLACE}:test-1-inbox-dead", False),
        Call("sqs:ReceiveMessage", f"arn:aws:sqs:{PLACE}:test-1-inbox", False),
        Call("sqs:SendMessage", f"arn:aws:sqs:{PLACE}:test-2-inbox", True),
    ]


def test_a_role_without_a_permission_is_found_out(stage, known, emulator, queue, statements):
    kept = [each for each in statements(stage, "OpsRole") if each["Action"] != "sqs:SendMessage"]
    statements(stage, "OpsRole")[:] = kept
    running = emulator(stage, "Ops")
    sqs = running.client("sqs", running.of_role)
    assert refused(sqs.send_message, QueueUrl=queue(running, "inbox"), MessageBody="a") == "AccessDenied"
    found = list(faults(running.role, running.calls(), known))
    assert f"Ops was denied sqs:SendMessage on arn:aws:sqs:{PLACE}:test-1-inbox (once)" in found


def test_a_secret_is_told_from_the_others_by_name_and_by_arn(stage, emulator):
    running = emulator(stage, "Ops")
    admin = running.client("secretsmanager", running.of_admin)
    secrets = running.client("secretsmanager", running.of_role)
    made = {
        kind: admin.create_secret(Name=f"solo-os/test/{kind}/1", SecretString="{}")["ARN"] for kind in ("app", "app-login")
    }
    for identity in ("solo-os/test/app-login/1", made["app-login"]):
        assert refused(secrets.get_secret_value, SecretId=identity) is None
    for identity in ("solo-os/test/app/1", made["app"], "another"):
        assert refused(secrets.get_secret_value, SecretId=identity) == "AccessDenied"
    assert refused(secrets.put_secret_value, SecretId=made["app-login"], SecretString="x") == "AccessDenied"
    assert refused(secrets.get_secret_value, SecretId="solo-os/test/app-login/none") == "ResourceNotFoundException"
    assert [call.resource for call in running.calls() if call.allowed][:2] == [made["app-login"]] * 2


def test_an_object_is_told_from_the_others(stage, emulator):
    running = emulator(stage, "Webhooks")
    running.client("s3", running.of_admin).create_bucket(Bucket="test-1-assets")
    s3 = running.client("s3", running.of_role)
    assert refused(s3.put_object, Bucket="test-1-assets", Key="spool/a", Body=b"a") is None
    assert refused(s3.put_object, Bucket="test-1-assets", Key="other/a", Body=b"a") == "AccessDenied"
    assert refused(s3.get_object, Bucket="test-1-assets", Key="spool/a") == "AccessDenied"


def test_who_may_not_list_is_not_told_that_an_object_is_missing(stage, emulator, statements):
    listing = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": {"Fn::GetAtt": ["Storage", "Outputs.AssetsBucketArn"]}}
    kept = [each for each in statements(stage, "WorkerRole") if each["Action"] != "s3:ListBucket"]
    for more, code in ([], "AccessDenied"), ([listing], "NoSuchKey"):
        statements(stage, "WorkerRole")[:] = kept + more
        running = emulator(stage, "Worker")
        running.client("s3", running.of_admin).create_bucket(Bucket="test-1-assets")
        s3 = running.client("s3", running.of_role)
        assert refused(s3.get_object, Bucket="test-1-assets", Key="spool/none") == code
        assert running.calls()[-1] == Call("s3:ListBucket", "arn:aws:s3:::test-1-assets", bool(more))


def test_who_may_list_a_bucket_is_told_that_it_is_there(stage, emulator):
    for function, wanted in ("Health", None), ("Webhooks", "AccessDenied"):
        running = emulator(stage, function)
        running.client("s3", running.of_admin).create_bucket(Bucket="test-1-assets")
        assert refused(running.client("s3", running.of_role).head_bucket, Bucket="test-1-assets") == wanted
        assert running.calls() == [Call("s3:ListBucket", "arn:aws:s3:::test-1-assets", wanted is None)]


def test_backups_are_written_deleted_and_read_by_three(stage, emulator):
    """Each of the three is refused what the other two may."""
    bucket, archive, manifest = "test-1-backups", "database/1.dump.zst", "database/1.json"
    refusals = {}
    for function in ("Backup", "Prune", "Drill"):
        running = emulator(stage, function)
        admin, s3 = (running.client("s3", key) for key in (running.of_admin, running.of_role))
        admin.create_bucket(Bucket=bucket)
        for key in (archive, manifest):
            admin.put_object(Bucket=bucket, Key=key, Body=b"a")
        upload = admin.create_multipart_upload(Bucket=bucket, Key=archive)["UploadId"]
        calls = {
            "put": (s3.put_object, {"Key": manifest, "Body": b"a"}),
            "upload": (s3.create_multipart_upload, {"Key": archive}),
            "part": (s3.upload_part, {"Key": archive, "UploadId": upload, "PartNumber": 1, "Body": b"a"}),
            "abort": (s3.abort_multipart_upload, {"Key": archive, "UploadId": upload}),
            "head": (s3.head_object, {"Key": archive}),
            "manifest": (s3.get_object, {"Key": manifest}),
            "archive": (s3.get_object, {"Key": archive}),
            "list": (s3.list_objects_v2, {"Prefix": "database/"}),
            "uploads": (s3.list_multipart_uploads, {"Prefix": "database/"}),
            "elsewhere": (s3.put_object, {"Key": "other/1.json", "Body": b"a"}),
            "delete": (s3.delete_object, {"Key": archive}),
        }
        refusals[function] = {name for name, (call, said) in calls.items() if refused(call, Bucket=bucket, **said)}
    assert refusals == {
        "Backup": {"list", "uploads", "elsewhere", "delete"},
        "Prune": {"put", "upload", "part", "head", "archive", "elsewhere"},
        "Drill": {"put", "upload", "part", "abort", "uploads", "elsewhere", "delete"},
    }


def test_a_topic_is_told_from_the_others(stage, emulator):
    running = emulator(stage, "Courier")
    admin, sns = (running.client("sns", key) for key in (running.of_admin, running.of_role))
    alerts, alarms = (admin.create_topic(Name=f"test-1-{name}")["TopicArn"] for name in ("alerts-topic", "alarms-topic"))
    assert refused(sns.publish, TopicArn=alerts, Message="ä + b") is None
    assert refused(sns.publish, TopicArn=alarms, Message="a") == "AccessDenied"


def test_a_function_is_told_from_the_others(stage, emulator):
    running = emulator(stage, "Smoke")
    functions = running.client("lambda", running.of_role)
    name = stage.functions["Webhooks"]["Properties"]["FunctionName"]
    arn = f"arn:aws:lambda:{PLACE}:function:{name}"
    for asked in ({"FunctionName": f"{arn}:3"}, {"FunctionName": name, "Qualifier": "3"}):
        assert refused(functions.invoke, **asked, Payload=json.dumps({})) != "AccessDenied", "allowed, and not there"
    for asked in ({"FunctionName": arn}, {"FunctionName": f"{arn}-other:3"}, {"FunctionName": name}):
        assert refused(functions.invoke, **asked, Payload=json.dumps({})) == "AccessDenied"
    resources = [call.resource for call in running.calls()]
    assert resources == [f"{arn}:3", f"{arn}:3", arn, f"{arn}-other:3", arn]


def test_codedeploy_hears_of_a_hook_from_who_may_tell_it(stage, emulator):
    for function, wanted in ("Smoke", None), ("Ops", "AccessDenied"):
        running = emulator(stage, function)
        report = running.client("codedeploy", running.of_role).put_lifecycle_event_hook_execution_status
        said = {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "a", "status": "Succeeded"}
        assert refused(report, **said) == wanted


def test_the_network_is_lambda_s_and_not_the_function_s(stage, emulator):
    running = emulator(stage, "Health")
    assert refused(running.client("ec2", running.of_role).describe_subnets) is not None
    assert running.calls() == [Call("ec2:DescribeSubnets", "*", False)]
