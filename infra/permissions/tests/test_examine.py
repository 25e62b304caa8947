"""A whole run, with a script in the place of a function's tests."""

import sys
from dataclasses import replace

import pytest

from permissions.__main__ import examine, of_role
from permissions.roles import role_of

SEND = """#!{python}
import boto3, os
admin = boto3.client("sqs", aws_access_key_id=os.environ["TESTKIT_ADMIN_ACCESS_KEY_ID"],
                     aws_secret_access_key=os.environ["TESTKIT_ADMIN_SECRET_ACCESS_KEY"], aws_session_token="")
url = admin.create_queue(QueueName="test-1-{queue}")["QueueUrl"]
try:
    boto3.client("sqs").send_message(QueueUrl=url, MessageBody="a")
except Exception as error:
    print("borne:", error)
"""
FAIL = "#!/bin/sh\necho a test failed\nexit 101\n"


@pytest.fixture
def found(stage, known, python, tmp_path, monkeypatch):
    """The faults of Ops with these scripts as its tests, if sending to its inbox were all that it may."""
    monkeypatch.setenv("SOLO_TEST_PYTHON", str(python))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    role = role_of(stage, "Ops")
    role = replace(role, entries=[entry for entry in role.entries if entry.action == "sqs:SendMessage"])

    def find(*scripts):
        tests = []
        for number, script in enumerate(scripts):
            path = tmp_path / f"script-{number}"
            path.write_text(script)
            path.chmod(0o755)
            tests.append((tmp_path, path))
        return examine(role, known, tests, tmp_path)

    return find


def send(queue):
    return SEND.format(python=sys.executable, queue=queue)


def test_tests_that_use_what_is_allowed(found, capfd):
    assert found(send("inbox")) == []
    assert "     1  sqs:SendMessage                  Inbox.Arn (ops)" in capfd.readouterr().out


def test_a_denial_that_the_tests_bear(found):
    assert found(send("inbox"), send("outbound")) == [
        "Ops was denied sqs:SendMessage on arn:aws:sqs:us-east-1:123456789012:test-1-outbound (once)"
    ]


def test_a_test_that_fails(found, capfd):
    (fault,) = found(FAIL, send("inbox"))
    assert fault.startswith("the tests of Ops fail under its role")
    assert "a test failed" in capfd.readouterr().out


def test_a_function_without_tests(found):
    assert found() == ["there is no crate ops with tests for Ops"]


def test_functions_that_are_one_program_have_tests_of_their_own(stage, known, tmp_path):
    here = tmp_path
    of_backup = [(here, "lib", None), (here, "b", "backup"), (here, "p", "prune"), (here, "tls", "tls")]
    built = {"backup": of_backup, "ops": [(here, "o", "it")]}
    of = {name: [tests for _, tests in of_role(role_of(stage, name), built)] for name in ("Backup", "Prune", "Drill", "Ops")}
    assert of == {"Backup": ["b"], "Prune": ["p"], "Drill": [], "Ops": ["o"]}
    assert examine(role_of(stage, "Drill"), known, [], tmp_path) == [
        "there is no crate backup with tests for Drill (tests/drill)"
    ]
