"""What `sam build` made: each package is small, is for the right machine, and starts as the template configures it.

`make package` builds first. Nothing here reaches AWS or a database.
"""

import hashlib
import os
import platform
import re
import shutil
import struct
from pathlib import Path

import pytest
from runtime_api import Function
from samcli.lib.package.utils import make_zip_with_lambda_permissions
from stage import PSEUDO, ROOT, environment, read_sources, translate

ARCHITECTURE = os.environ.get("ARCHITECTURE", "x86_64")
STAGE = translate(read_sources(), Stage="production", Release="0123abc", Architecture=ARCHITECTURE)
BUILT = ROOT / ".aws-sam/build"

# Bytes of a zip, which Lambda fetches and unpacks at each cold start.
BUDGET = 6_000_000
# pg_dump, pg_restore and their library, in what makes and restores backups.
PROGRAMS = dict.fromkeys(["Backup", "Prune", "Drill"], 500_000)
# Fields of an ELF header: e_machine.
MACHINES = {"x86_64": 62, "arm64": 183}
# The C library of Amazon Linux 2023.
GLIBC = (2, 34)

runs_here = pytest.mark.skipif(
    platform.machine().replace("aarch64", "arm64") != ARCHITECTURE, reason=f"this machine cannot run {ARCHITECTURE}"
)


@pytest.fixture(params=STAGE.functions)
def function(request):
    return request.param


def binary_of(function):
    path = BUILT / function / "bootstrap"
    assert path.exists(), f"sam has not built {function}"
    return path


def zip_of(function, folder):
    """As `sam package` makes it."""
    return make_zip_with_lambda_permissions(str(folder / function), str(binary_of(function).parent))


def test_every_function_is_built_and_nothing_else():
    assert {path.parent.name for path in BUILT.glob("*/bootstrap")} == set(STAGE.functions)
    for function in STAGE.functions:
        assert [path.name for path in binary_of(function).parent.iterdir()] == ["bootstrap"]


def test_packages_are_small(tmp_path, capsys):
    sizes = {name: (binary_of(name).stat().st_size, os.stat(zip_of(name, tmp_path)).st_size) for name in STAGE.functions}
    with capsys.disabled():
        print(f"\n{'function':10} {'binary MB':>10} {'zip MB':>8}   (budget {BUDGET / 1e6:.1f})")
        for name, (binary, packed) in sizes.items():
            print(f"{name:10} {binary / 1e6:10.2f} {packed / 1e6:8.2f}")
    assert {name: packed for name, (_, packed) in sizes.items() if packed > BUDGET + PROGRAMS.get(name, 0)} == {}


def test_packages_are_deterministic(tmp_path):
    """sam names a package by its hash: one that differs each time would change every function at every deploy."""
    hashes = set()
    for time in (0, 1_000_000_000):
        copied = shutil.copytree(binary_of("Courier").parent, tmp_path / str(time))
        os.utime(copied / "bootstrap", (time, time))
        packed = make_zip_with_lambda_permissions(str(tmp_path / f"{time}-packed"), str(copied))
        hashes.add(hashlib.sha256(Path(packed).read_bytes()).hexdigest())
    assert len(hashes) == 1


def dynamic_strings(binary):
    """`.dynstr` of an ELF file. Elsewhere in it, what is embedded and compressed may read like anything."""
    table, (size, count) = struct.unpack_from("<Q", binary, 0x28)[0], struct.unpack_from("<HH", binary, 0x3A)
    sections = [struct.unpack_from("<IQQQQ", binary, table + 4 + number * size) for number in range(count)]
    # Strings that are loaded when it runs.
    return b"".join(binary[at : at + length] for kind, flags, _, at, length in sections if kind == 3 and flags & 2)


def test_binaries_are_for_the_machine_that_runs_them(function):
    binary = binary_of(function).read_bytes()
    assert binary[:6] == b"\x7fELF\x02\x01"
    assert struct.unpack_from("<H", binary, 18)[0] == MACHINES[ARCHITECTURE]
    needed = {tuple(map(int, found.split(b"."))) for found in re.findall(rb"GLIBC_(\d+\.\d+)", dynamic_strings(binary))}
    assert needed and max(needed) <= GLIBC


@runs_here
def test_each_starts_as_the_template_says(function, tmp_path):
    """Without a database, and with no more in the secrets than CloudFormation puts there."""
    with started(function, tmp_path) as running:
        asks = running.starts()
        assert "panicked" not in running.said
        assert asks, f"it does not ask for work (init error: {running.init_error}): {running.said}"


@runs_here
def test_without_its_secret_the_door_stays_shut_and_says_why(tmp_path):
    with started("Webhooks", tmp_path, secrets={}) as running:
        assert not running.starts()
        assert running.process.wait() != 0
        assert "secret:AppSecretArn" in running.said
        assert "panicked" not in running.said


@runs_here
@pytest.mark.parametrize("schedule", STAGE.of("AWS::Scheduler::Schedule"))
def test_a_schedule_says_what_its_function_takes(schedule, tmp_path):
    target = STAGE.root["Resources"][schedule]["Properties"]["Target"]
    said = invoke_scheduled(target["Arn"]["Ref"].removesuffix("Aliaslive"), target["Input"], tmp_path)
    assert not REFUSED.search(said), said
    assert "database" in said, f"it took the job, and came as far as the database: {said}"


@runs_here
@pytest.mark.parametrize("function", ["Worker", "Backup", "Cleanup", "Reconcile"])
@pytest.mark.parametrize("said", ['{"job": "tock"}', '{"jobs": ["tick"]}', "{}", '"tick"'])
def test_a_schedule_that_says_something_else_is_found(function, said, tmp_path):
    assert REFUSED.search(invoke_scheduled(function, said, tmp_path))


def test_backups_carry_the_programs_for_their_machine():
    """By the name of the library, which differs. Whether they run, test_packaged_backup.py sees."""
    programs = ROOT / "target" / "programs" / ARCHITECTURE
    (library,) = (programs / "lib").iterdir()
    for function in ("Backup", "Prune", "Drill"):
        binary = binary_of(function).read_bytes()
        for name in (b"bin/pg_dump", b"bin/pg_restore", f"lib/{library.name}".encode()):
            assert name in binary, f"{function} was built without {name.decode()}: `make programs`, and build again"


# What a function answers when it does not know what is asked of it: the worker, and those that have jobs only.
REFUSED = re.compile("the worker takes|this function takes")


def invoke_scheduled(function, event, folder):
    with started(function, folder) as running:
        assert running.starts(), running.said
        kind, answer = running.invoke(event)
        return f"{kind}: {answer} {running.said}"


SECRET = f"arn:aws:secretsmanager:us-east-1:{PSEUDO['AWS::AccountId']}:secret"
# As the templates generate them.
SECRETS = {
    f"{SECRET}:AppSecretArn": {"EVENTS_TOKEN": "a" * 48},
    f"{SECRET}:MasterSecretArn": {"username": "solo_master", "password": "a" * 40},
    f"{SECRET}:AppLoginArn": {"username": "solo_app", "password": "a" * 40},
    f"{SECRET}:ReaderLoginArn": {"username": "solo_reader", "password": "a" * 40},
    f"{SECRET}:RestorerLoginArn": {"username": "solo_restorer", "password": "a" * 40},
}


def started(function, folder, secrets=SECRETS, more=None, **world):
    name = STAGE.functions[function]["Properties"]["FunctionName"]
    variables = {key: made_up(value) for key, value in environment(STAGE, function).items()}
    return Function(binary_of(function), name, variables | (more or {}), folder / "log", secrets, **world)


def made_up(value):
    """What AWS would put in: of the right form, and leading nowhere."""
    if isinstance(value, str):
        return value
    (kind, of), = value.items()
    if kind == "Fn::Sub":
        # A name that never resolves (RFC 6761).
        return re.sub(r"\$\{[\w.]+\}", "nowhere.invalid", of)
    name = of if isinstance(of, str) else of[-1].removeprefix("Outputs.")
    kind = STAGE.root["Resources"].get(name, {}).get("Type", "")
    if kind == "AWS::SQS::Queue":
        return f"https://sqs.us-east-1.amazonaws.com/{PSEUDO['AWS::AccountId']}/{name}"
    if kind == "AWS::SNS::Topic":
        return f"arn:aws:sns:us-east-1:{PSEUDO['AWS::AccountId']}:{name}"
    if kind == "AWS::Lambda::Version":
        return f"arn:aws:lambda:us-east-1:{PSEUDO['AWS::AccountId']}:function:{name}:1"
    return f"{SECRET}:{name}" if name.endswith("Arn") else name.lower()
