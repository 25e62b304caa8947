"""The templates as they are: no check finds a fault, in either stage, for either processor, with every option on or off."""

import pytest
from checks import CHECKS
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from stage import environment, read_sources, translate

SOURCES = read_sources()
STAGES = {
    "staging-x86_64": {"Stage": "staging", "Architecture": "x86_64", "Release": "0123abc"},
    "staging-arm64": {"Stage": "staging", "Architecture": "arm64", "Release": "0123abc"},
    "production-x86_64": {"Stage": "production", "Architecture": "x86_64", "Release": "manual"},
    "production-arm64-all": {
        "Stage": "production",
        "Architecture": "arm64",
        "Release": "0123abc",
        "AlarmEmail": "founder@example.com",
        "MultiAz": "true",
        "ReplicaBucketArn": "arn:aws:s3:::the-stack-replica",
        "PaymentsWebhookUrl": "https://example.com/payments",
    },
    "production-x86_64-least": {
        "Stage": "production",
        "Release": "0123abc",
        "UptimeCheck": "false",
        "DeletionProtection": "false",
    },
}


@pytest.fixture(scope="module", params=STAGES)
def stage(request):
    return translate(SOURCES, **STAGES[request.param])


@pytest.mark.parametrize("check", CHECKS)
def test_no_fault(stage, check):
    faults = CHECKS[check](stage)
    assert not faults, "\n".join(faults)


def test_a_stage_is_made_of_what_it_is_asked_for(stage):
    architecture = stage.parameters["Architecture"]
    assert len(stage.functions) >= 7
    assert {name: each["Properties"]["Architectures"] for name, each in stage.functions.items()} == dict.fromkeys(
        stage.functions, [architecture]
    )
    assert set(stage.nested) == set(SOURCES.nested) - ({"Uptime"} if stage.parameters["UptimeCheck"] == "false" else set())


def test_without_reserved_concurrency_none_is_reserved():
    """A new account may reserve none."""
    stage = translate(SOURCES, ReserveConcurrency="false")
    assert [name for name, each in stage.functions.items() if "ReservedConcurrentExecutions" in each["Properties"]] == []


def test_every_function_uses_the_database_of_the_parameter():
    stage = translate(SOURCES, DatabaseName="restored")
    for name in stage.on_the_database:
        urls = [value for key, value in environment(stage, name).items() if key.endswith("DATABASE_URL")]
        assert [url["Fn::Sub"].rsplit("/", 1)[-1] for url in urls] == ["restored"], name
    # Of the server, that would be a replacement.
    assert stage.nested["Database"]["Resources"]["Instance"]["Properties"]["DBName"] == "solo"


def test_a_release_is_a_version_of_each_function_and_the_same_release_is_the_same():
    """By its name or by its description, either of which makes CloudFormation publish another one."""

    def versions(release):
        stage = translate(SOURCES, Release=release)
        found = {name: stage.version_of(name) for name in stage.functions}
        return {name: (version, resource["Properties"].get("Description")) for name, (version, resource) in found.items()}

    one, two = versions("0123abc"), versions("4567def")
    assert one == versions("0123abc")
    assert {name for name in one if one[name] == two[name]} == {"Migrate", "Smoke"}


def test_cloudformation_replaces_a_version_for_its_description():
    """By AWS's own schema, which cfn-lint brings along. checks/releases.py builds on it."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", "AWS::Lambda::Version").schema
    assert "/properties/Description" in schema["createOnlyProperties"]
