"""Runs the tests of each function under its role of the template: it must be enough, and no more.

    solo test-stack -- python -m permissions [function ...]

Why, and what it cannot see: docs/decisions/0010-roles-as-tested.md.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

from stage import ROOT, read_sources, translate

from . import names
from .emulator import Emulator
from .roles import role_of
from .verdict import faults, rows


def main():
    # SAM's translator tells of its feature toggles.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    stage = translate(read_sources())
    functions = {name.lower(): name for name in stage.functions}
    arguments = argparse.ArgumentParser(prog="permissions")
    arguments.add_argument("function", nargs="*", choices=[[], *functions], help="all of them when none is named")
    chosen = arguments.parse_args().function or list(functions)
    if "SOLO_TEST_PYTHON" not in os.environ:
        sys.exit("error: this needs the test stack; run `make permissions`")
    directory = ROOT / "target" / "permissions"
    directory.mkdir(parents=True, exist_ok=True)
    known = names.patterns(stage)
    built = build()
    found = []
    for name in chosen:
        role = role_of(stage, functions[name])
        found += examine(role, known, of_role(role, built), directory)
    for fault in found:
        print(f"error: {fault}", file=sys.stderr)
    sys.exit(1 if found else 0)


def build():
    """`{crate: [(where its tests run, the tests, their target when it is one of tests/)]}`. All of the workspace, as
    `make test` does: a crate alone would have dependencies with other features, and they would be built once more."""
    command = ["cargo", "test", "--workspace", "--no-run", "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit("error: the tests do not build")
    built = {}
    for message in map(json.loads, done.stdout.splitlines()):
        if message["reason"] == "compiler-artifact" and message["profile"]["test"] and message["executable"]:
            where, target = Path(message["manifest_path"]).parent, message["target"]
            own = target["name"] if target["kind"] == ["test"] else None
            built.setdefault(where.name, []).append((where, message["executable"], own))
    return built


def of_role(role, built):
    """`[(where they run, the tests)]`: those of the crate, or of one target where each function has one (`tests/prune`)."""
    all_of = built.get(role.crate, [])
    return [(where, tests) for where, tests, target in all_of if role.target in (None, target)]


def examine(role, known, tests, directory):
    """The role's faults, after a run of its function's tests."""
    if not tests:
        target = "" if role.target is None else f" (tests/{role.target})"
        return [f"there is no crate {role.crate} with tests for {role.function}{target}"]
    began = time.monotonic()
    output = directory / f"{role.function.lower()}.tests.log"
    with Emulator(role, directory, os.environ["SOLO_TEST_PYTHON"]) as emulator, open(output, "w") as log:
        environment = os.environ | emulator.environment() | {"RUST_BACKTRACE": "0"}
        run = {"env": environment, "stdout": log, "stderr": subprocess.STDOUT, "check": False}
        passed = [subprocess.run(program, cwd=where, **run).returncode == 0 for where, program in tests]
        calls = emulator.calls()
    show(role, calls, time.monotonic() - began)
    found = list(faults(role, calls, known))
    if not all(passed):
        print(output.read_text()[-6_000:])
        found.append(f"the tests of {role.function} fail under its role; see {output}")
    return found


def show(role, calls, seconds):
    print(f"\n{role.function}: {len(calls)} calls in {seconds:.0f} s", flush=True)
    for entry, count in rows(role, calls):
        unused = "Lambda" if (entry.action, entry.resource) in role.of_lambda else "-"
        print(f"{count or unused:>6}  {entry.action:32} {entry.resource} ({entry.policy})")


if __name__ == "__main__":
    main()
