"""Planted faults: what a role has too much or too little, and whether it is found."""

import pytest

from permissions import names
from permissions.policy import covers
from permissions.roles import role_of
from permissions.verdict import Call, faults

SEND = "sqs:SendMessage"


def enough(role):
    """One call for everything that the role allows the function."""
    entries = [entry for entry in role.entries if entry.effect == "Allow"]
    mine = [entry for entry in entries if (entry.action, entry.resource) not in role.of_lambda]
    return [Call(entry.action, entry.arn.replace("*", "sample"), True) for entry in mine]


@pytest.fixture
def found(stage, known):
    """The faults of a function's role in the (changed) stage. `calls` makes the calls of the role as it was."""
    calls = {function: enough(role_of(stage, function)) for function in stage.functions}

    def find(function, extra=()):
        return list(faults(role_of(stage, function), [*calls[function], *extra], known))

    return find


def test_a_role_of_which_everything_is_used_has_no_fault(stage, found):
    assert {function: found(function) for function in stage.functions} == dict.fromkeys(stage.functions, [])


def test_a_statement_too_many(stage, found, statements):
    statements(stage, "HealthRole").append(
        {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": {"Fn::Sub": "${Storage.Outputs.AssetsBucketArn}/*"}}
    )
    assert found("Health") == ["Health may do s3:DeleteObject on Storage.AssetsBucketArn/* (health), and no test does"]


def test_an_action_too_many_in_a_statement_that_is_used(stage, found, statements):
    sends = next(each for each in statements(stage, "OpsRole") if each["Action"] == SEND)
    sends["Action"] = [SEND, "sqs:PurgeQueue"]
    assert found("Ops") == ["Ops may do sqs:PurgeQueue on Inbox.Arn (ops), and no test does"]


def test_a_queue_too_many_in_a_statement_that_is_used(stage, found, statements):
    sends = next(each for each in statements(stage, "OpsRole") if each["Action"] == SEND)
    sends["Resource"] = [sends["Resource"], {"Fn::GetAtt": ["OutboundDead", "Arn"]}]
    assert found("Ops") == ["Ops may do sqs:SendMessage on OutboundDead.Arn (ops), and no test does"]


@pytest.mark.parametrize("wide", ["*", "arn:aws:sqs:us-east-1:123456789012:*"])
def test_a_wildcard_over_queues(stage, found, statements, wide):
    sends = next(each for each in statements(stage, "OpsRole") if each["Action"] == SEND)
    sends["Resource"] = wide
    others = ["Failures", "InboxDead", "Outbound", "OutboundDead"]
    assert sorted(found("Ops")) == [f"Ops may do {SEND} on {other}.Arn by {wide} (ops), and no test does" for other in others]


def test_a_wildcard_over_a_bucket(stage, found, statements):
    puts = next(each for each in statements(stage, "WebhooksRole") if each["Action"] == "s3:PutObject")
    puts["Resource"] = {"Fn::Sub": "${Storage.Outputs.AssetsBucketArn}/*"}
    assert found("Webhooks") == [
        "Webhooks may do s3:PutObject on Storage.AssetsBucketArn/ by Storage.AssetsBucketArn/* (webhooks), and no test does"
    ]


def test_a_part_of_an_upload_is_about_an_object(stage, found, statements):
    uploads = next(each for each in statements(stage, "BackupRole") if "s3:AbortMultipartUpload" in each["Action"])
    uploads["Resource"] = {"Fn::Sub": "${Storage.Outputs.BackupsBucketArn}/*"}
    beyond = "on Storage.BackupsBucketArn/ by Storage.BackupsBucketArn/* (backup), and no test does"
    assert sorted(found("Backup")) == [
        f"Backup may do {action} {beyond}" for action in ("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject")
    ]


def test_a_wildcard_over_actions(stage, found, statements):
    sends = next(each for each in statements(stage, "OpsRole") if each["Action"] == SEND)
    sends["Action"] = "sqs:Send*"
    assert found("Ops") == ["Ops may do sqs:Send* (ops): name the actions"]


def test_a_denied_call_even_when_no_test_minds(found):
    call = Call("sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:test-1-inbox", allowed=False)
    assert found("Health", [call, call]) == [
        "Health was denied sqs:SendMessage on arn:aws:sqs:us-east-1:123456789012:test-1-inbox (2 times)"
    ]


@pytest.mark.parametrize(
    ("function", "action", "said"),
    [
        ("Worker", "sqs:DeleteMessage", "on Inbox.Arn, which Lambda needs for its queue"),
        ("Worker", "logs:PutLogEvents", "on WorkerLogs.Arn, which Lambda needs for its log"),
    ],
)
def test_what_lambda_needs_and_the_role_lacks(stage, found, statements, function, action, said):
    for statement in statements(stage, f"{function}Role"):
        if isinstance(statement["Action"], list) and action in statement["Action"]:
            statement["Action"].remove(action)
    assert found(function) == [f"{function} may not do {action} {said}"]


def test_a_network_for_a_function_outside_of_it(stage, found):
    stage.root["Resources"]["CourierRole"]["Properties"]["ManagedPolicyArns"].append({"Ref": "NetworkPolicy"})
    assert len(found("Courier")) == 6, "none of the network's six actions is used"


def test_a_name_of_one_kind_is_none_of_another(known):
    for kind, arn in names.samples(known):
        assert names.kind_of(arn, known) == kind
        of = {name for name, pattern in known.items() if covers("a", pattern, "a", arn)}
        assert of <= {kind}, (arn, of)


def test_only_the_writer_of_backups_bears_that_it_may_not_list_them(found):
    bucket = "arn:aws:s3:::test-0-backups"
    assert found("Backup", [Call("s3:ListBucket", bucket, False)]) == []
    assert found("Backup", [Call("s3:DeleteObject", f"{bucket}/database/x", False)]) == [
        f"Backup was denied s3:DeleteObject on {bucket}/database/x (once)"
    ]
    assert found("Worker", [Call("s3:ListBucket", bucket, False)]) == [f"Worker was denied s3:ListBucket on {bucket} (once)"]
