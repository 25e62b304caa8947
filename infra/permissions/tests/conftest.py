import copy
import logging
import os
import shutil

import pytest
from stage import ROOT, read_sources, translate

from permissions import names
from permissions.emulator import Emulator
from permissions.roles import role_of

logging.getLogger("samtranslator").setLevel(logging.ERROR)
STAGE = translate(read_sources())


@pytest.fixture
def stage():
    """The stage as it is, to plant a fault in."""
    return copy.deepcopy(STAGE)


@pytest.fixture
def known():
    return names.patterns(STAGE)


@pytest.fixture
def statements():
    """The statements of a role's own policy, in a stage."""
    return lambda stage, role: stage.root["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]


@pytest.fixture
def python():
    """The one that moto is installed for."""
    python = os.environ.get("SOLO_TEST_PYTHON") or ROOT / ".venv" / "bin" / "python"
    assert shutil.which(python), "moto is in .venv: run `make setup` first"
    return python


@pytest.fixture
def emulator(tmp_path, python):
    """Starts emulators for roles; they end with the test."""
    started = []

    def start(stage, function):
        started.append(Emulator(role_of(stage, function), tmp_path, python))
        return started[-1].__enter__()

    yield start
    for each in started:
        each.__exit__()
