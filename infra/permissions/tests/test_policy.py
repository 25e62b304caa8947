"""What a policy says of a call, as AWS would."""

import pytest

from permissions.policy import is_allowed, like, read

QUEUE = "arn:aws:sqs:us-east-1:123456789012:a-inbox"


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action="sqs:SendMessage", resource=QUEUE, **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def asked(*statements, action="sqs:SendMessage", resource=QUEUE, context=None):
    return is_allowed([document(each) for each in statements], action, resource, context or {})


def test_patterns():
    assert like("a*c", "abbc") and like("a?c", "abc") and like("*", "")
    assert not like("a.c", "abc") and not like("a*", "ba") and not like("a?", "a") and not like("a", "A")


def test_what_is_not_allowed_is_refused():
    assert asked(allow())
    assert not asked()
    assert not asked(allow(), action="sqs:DeleteMessage")
    assert not asked(allow(), resource=QUEUE + "-dead")
    assert not asked(allow(resource="*-inbox"), resource=QUEUE + "-dead")


def test_actions_are_the_same_in_capitals_and_resources_are_not():
    assert asked(allow(action="SQS:sendmessage"))
    assert not asked(allow(resource=QUEUE.replace("inbox", "Inbox")))


def test_a_denial_goes_before_whatever_is_allowed():
    assert not asked(allow(), allow(action="sqs:*") | {"Effect": "Deny"})


def test_a_condition_counts():
    here = {"ArnLike": {"lambda:SourceFunctionArn": "arn:aws:lambda:*:function:solo-*"}}
    context = {"lambda:SourceFunctionArn": "arn:aws:lambda:x:1:function:solo-a"}
    assert asked(allow(Condition=here), context=context)
    assert not asked(allow(Condition=here), context={"lambda:SourceFunctionArn": "arn:aws:lambda:x:1:function:other"})
    assert not asked(allow(Condition=here))
    assert not asked(allow(), allow(Condition=here) | {"Effect": "Deny"}, context=context)


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "NotAction": "a", "Resource": "*"},
        {"Effect": "Allow", "Action": "a", "NotResource": "*"},
        allow(Condition={"IpAddress": {"aws:SourceIp": "192.0.2.1"}}),
        allow(resource="arn:aws:s3:::${aws:username}"),
    ],
)
def test_what_is_not_understood_is_an_error(statement):
    with pytest.raises(ValueError, match="not understood"):
        read(document(statement))
