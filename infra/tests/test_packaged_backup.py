"""The packages of backup, drill and prune do their jobs: on a real database and an emulator of AWS, with no programs of
PostgreSQL but those that they carry. `make package` builds them first, and runs this beside `solo test-stack`.
"""

import json
import os
import uuid
from urllib.parse import urlsplit

import boto3
import pytest
from stage import environment
from test_packages import STAGE, runs_here, started

# Long enough for a job, which keeps 20 s of it back.
TIME = 120


@pytest.fixture(scope="module")
def world():
    """Variables for the functions, in the place of what the template says of AWS and of the database."""
    if "SOLO_TEST_SERVER" not in os.environ:
        pytest.fail("this needs the test stack; run `make package`")
    unique = uuid.uuid4().hex
    secrets, s3, sqs = (boto3.client(service) for service in ("secretsmanager", "s3", "sqs"))
    bucket = f"test-{unique}-backups"
    s3.create_bucket(Bucket=bucket)
    variables = {
        "BACKUPS_BUCKET": bucket,
        "OUTBOUND_QUEUE_URL": sqs.create_queue(QueueName=f"test-{unique}-outbound")["QueueUrl"],
        "AWS_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
        "AWS_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
    }
    for kind, variable in (("app", "DATABASE_SECRET_ID"), ("reader", ""), ("restorer", "")):
        login = {"username": f"solo_{kind}", "password": os.environ[f"SOLO_TEST_{kind.upper()}_PASSWORD"]}
        made = secrets.create_secret(Name=f"solo-os/test/{kind}-login/{unique}", SecretString=json.dumps(login))
        variables[variable or f"{kind.upper()}_LOGIN_SECRET_ID"] = made["ARN"]
    server = urlsplit(os.environ["SOLO_TEST_SERVER"])
    database = os.environ["SOLO_TEST_TEMPLATE"]
    variables["DATABASE_URL"] = f"postgres://{server.hostname}:{server.port}/{database}"
    return variables


@runs_here
def test_a_backup_is_made_restored_and_kept(world, tmp_path):
    made = result_of("Backup", {"job": "backup"}, world, tmp_path)
    objects = boto3.client("s3").list_objects_v2(Bucket=world["BACKUPS_BUCKET"])["Contents"]
    identity = made["backup"]
    assert [each["Key"] for each in objects] == [f"database/{identity}.dump.zst", f"database/{identity}.json"]
    restored = result_of("Drill", {"job": "drill"}, world, tmp_path)
    assert (restored["backup"], restored["tables"], restored["rows"]) == (identity, made["tables"], made["rows"])
    pruned = result_of("Prune", {"job": "prune"}, world, tmp_path)
    assert (pruned["kept"], pruned["removed"]) == (1, [])


def result_of(function, event, world, folder):
    """What a run comes to. The function gets the variables that the template gives it, and no others."""
    given = environment(STAGE, function)
    asked = {name: value for name, value in world.items() if name in given or name.startswith("AWS_")}
    with started(function, folder, more=asked, emulator=os.environ["AWS_ENDPOINT_URL"], time_left=TIME) as running:
        assert running.starts(), running.said
        kind, answer = running.invoke(json.dumps(event))
        assert kind == "response" and answer["outcome"] == "succeeded", f"{answer} {running.said}"
        return answer["result"]
