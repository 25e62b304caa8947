"""The templates as they are: no check finds a fault, in either stage, for either processor, with every option on or off."""

import pytest
from checks import CHECKS
from stage import read_sources, translate

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
