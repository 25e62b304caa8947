"""The documents' commands exist, with these options: AWS's by the models that its own tools are made of, ours by the template
and the Makefile. Those of `solo` are run by `cli/tests/runbook`."""

import re
import subprocess

import botocore.session
import jmespath
import pytest
from botocore import xform_name
from botocore.validate import validate_parameters
from documented import commands, documented, entries
from stage import ROOT, yaml_parse

SESSION = botocore.session.get_session()
COMMANDS = documented()


def load(name):
    return yaml_parse((ROOT / name).read_text())


# Options that every command of AWS's takes.
EVERYWHERE = {"query": 1, "output": 1, "region": 1, "cli-binary-format": 1, "cli-read-timeout": 1}
# Commands that the AWS CLI (version 2) has on top of the API: how many words stand alone, and the options with their values.
# https://docs.aws.amazon.com/cli/latest/reference/
OWN = {
    ("configure", "sso"): (0, {}),
    ("sso", "login"): (0, {"profile": 1}),
    ("logs", "tail"): (1, {"since": 1, "filter-pattern": 1, "follow": 0, "format": 1}),
    ("s3", "cp"): (2, {}),
    ("cloudformation", "deploy"): (0, {"stack-name": 1, "template-file": 1, "capabilities": None, "parameter-overrides": None}),
}
# How Lambda reports an invocation as text. All functions log JSON (`checks/functions.py`), so no log has these words: there a line
# of the type `platform.report` has `record.status`, `record.errorType` and `record.metrics`.
TEXT_FORMAT = re.compile(r"\bREPORT\b|Task timed out|Max Memory Used|Runtime exited")
# What is not AWS's, ours, or a shell's: tested where the stock tools restore a backup.
STOCK = {"pg_restore", "createdb", "psql", "zstd", "sha256sum", "grep", "jq", "head", "export"}


def of(program):
    found = [command for command in COMMANDS if command.words[0] == program]
    assert found, f"no document has a command of {program}: is it still read?"
    return found


def options(words, known):
    """The words that stand alone, and the options with their values. `known` says how many values: None for any number."""
    alone, found, place = [], {}, 0
    while place < len(words):
        word = words[place]
        place += 1
        if not word.startswith("--"):
            alone.append(word)
            continue
        name = word.removeprefix("--")
        assert name in known, f"there is no option {word}"
        count, values = known[name], []
        while place < len(words) and not words[place].startswith("--") and (count is None or len(values) < count):
            values.append(words[place])
            place += 1
        assert count is None or len(values) == count, f"{word} takes {count} values"
        found[name] = values
    return alone, found


def operation_options(shape):
    """The options of an operation, as the AWS CLI makes them out of the model."""
    known = dict(EVERYWHERE)
    for name, member in shape.members.items():
        option = xform_name(name, "-")
        if member.type_name == "boolean":
            known[option] = known[f"no-{option}"] = 0
        else:
            known[option] = None if member.type_name == "list" else 1
    return known


def value(shape, name, words):
    kind = shape.type_name
    if kind == "boolean":
        return not name.startswith("no-")
    if kind in ("integer", "long", "double", "float"):
        return float(words[0]) if kind in ("double", "float") else int(words[0])
    if kind == "blob":
        return words[0].encode()
    if kind == "list":
        return [value(shape.member, name, [word]) for word in words]
    if kind == "structure":
        return dict(pair.split("=", 1) for pair in words[0].split(","))
    return words[0]


def check_operation(words):
    service = SESSION.get_service_model(words[0])
    if words[1] == "wait":
        waiters = SESSION.get_waiter_model(words[0])
        named = {xform_name(name, "-"): name for name in waiters.waiter_names}
        assert words[2] in named, f"{words[0]} waits for no {words[2]}"
        operation, rest = service.operation_model(waiters.get_waiter(named[words[2]]).operation), words[3:]
    else:
        named = {xform_name(name, "-"): name for name in service.operation_names}
        assert words[1] in named, f"{words[0]} has no {words[1]}"
        operation, rest = service.operation_model(named[words[1]]), words[2:]
    shape = operation.input_shape
    alone, found = options(rest, operation_options(shape))
    # Where the answer of a function goes.
    assert len(alone) == (1 if words[1] == "invoke" else 0), f"what is {alone}?"
    members = {xform_name(name, "-"): (name, member) for name, member in shape.members.items()}
    given = {}
    for option, values in found.items():
        if option in EVERYWHERE and option not in members:
            continue
        name, member = members[option if option in members else option.removeprefix("no-")]
        given[name] = value(member, option, values)
    if "RestoreTime" in given:
        given["RestoreTime"] = "2026-11-22T08:15:00Z"
    validate_parameters(given, shape)
    return found


def check(words):
    """Of AWS's CLI, without `aws` itself."""
    own = OWN.get(tuple(words[:2]))
    if own is None:
        found = check_operation(words)
    else:
        count, known = own
        alone, found = options(words[2:], known | EVERYWHERE)
        assert len(alone) == count, f"what is {alone}?"
        if tuple(words[:2]) == ("logs", "tail"):
            check_log_group(alone[0])
            check_sought(found.get("filter-pattern", []))
    for query in found.get("query", []):
        jmespath.compile(query)


def check_log_group(name):
    """One that a template makes; `<function>` stands for any function's name."""
    for template in ["template.yaml", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "infra").glob("*.yaml"))]:
        for resource in load(template).get("Resources", {}).values():
            made = resource.get("Properties", {}).get("LogGroupName") if resource["Type"] == "AWS::Logs::LogGroup" else None
            pattern = made and re.escape(str(made.get("Fn::Sub") if isinstance(made, dict) else made))
            if pattern and re.fullmatch(pattern.replace(r"\$\{AWS::StackName\}", "stack"), name.replace("function", "worker")):
                return
    raise AssertionError(f"no template makes the log group {name}")


def check_sought(words):
    """What is looked for is what a log can have."""
    found = TEXT_FORMAT.search(" ".join(words))
    assert not found, f"no log has {found[0]!r}: Lambda reports in JSON"


@pytest.mark.parametrize("command", of("aws"), ids=str)
def test_a_command_of_aws_is_one(command):
    check(command.words[1:])


@pytest.mark.parametrize("command", of("grep"), ids=str)
def test_what_is_grepped_for_can_be_there(command):
    check_sought(command.words[1:])


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: page.name)
def test_no_page_names_what_no_log_has(page):
    found = TEXT_FORMAT.search(page.read_text())
    assert not found, f"{page.name} has {found[0]!r}: Lambda reports in JSON"


@pytest.mark.parametrize("command", of("make"), ids=str)
def test_a_target_of_the_makefile_is_one(command):
    for target in command.words[1:]:
        subprocess.run(["make", "--dry-run", "--silent", target], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("command", of("curl"), ids=str)
def test_a_path_that_is_asked_for_is_a_route(command):
    path = command.words[-1].removeprefix("ApiUrl")
    events = [event for function in load("template.yaml")["Resources"].values()
              for event in function.get("Properties", {}).get("Events", {}).values()]
    assert path in {event["Properties"].get("Path") for event in events}


def test_every_program_is_known():
    ours = {"aws", "make", "curl", "target/debug/solo", *STOCK}
    for command in COMMANDS:
        program = next(word for word in command.words if "=" not in word)
        assert program in ours or program == "sam", f"who runs {command}?"


def test_every_entry_of_the_runbook_has_a_symptom_a_command_and_what_to_expect():
    found = list(entries((ROOT / "docs/runbook.md").read_text()))
    assert len(found) > 40
    assert [name for name, *has in found if not all(has)] == []


@pytest.mark.parametrize("line, fault", [
    ("aws logs tails /aws/lambda/stack-worker", "has no tails"),
    ("aws logs tail /aws/lambda/stack-nobody", "no template makes"),
    ("aws logs tail /aws/lambda/stack-worker --until 5m", "no option --until"),
    ("aws sqs receive-message --queue-url x --visibility 5", "no option --visibility"),
    ("aws sqs receive-message --visibility-timeout 5", "Missing required parameter"),
    ("aws rds wait db-instance-there", "waits for no"),
    ("aws scheduler list-schedules --query 'Schedules[?'", "Invalid jmespath"),
    ("aws lambda invoke --function-name x", "what is"),
    ("aws logs tail /aws/lambda/stack-worker --filter-pattern 'Task timed out'", "no log has 'Task timed out'"),
])
def test_what_is_wrong_with_a_command_is_found(line, fault):
    (command,) = commands("a page", f"```sh\n{line}\n```\n")
    with pytest.raises(Exception, match=re.escape(fault)):
        check(command.words[1:])


@pytest.mark.parametrize("pattern", ["REPORT|x", "Task timed out", "Max Memory Used", "Runtime exited"])
def test_a_grep_for_what_no_log_has_is_found(pattern):
    tail, grep = commands("a page", f"```sh\naws logs tail /aws/lambda/stack-worker --since 1d | grep -E \"{pattern}\"\n```\n")
    check(tail.words[1:])
    with pytest.raises(AssertionError, match="no log has"):
        check_sought(grep.words[1:])


def test_lines_are_read_as_a_shell_reads_them():
    text = "```sh\na --b 'c d' \\\n    <e f>   # not this\nx | y && z\n```\n```\nno command\n```\n"
    assert [(command.where, command.words) for command in commands("p", text)] == [
        ("p:2", ("a", "--b", "c d", "e-f")), ("p:4", ("x",)), ("p:4", ("y",)), ("p:4", ("z",))]
