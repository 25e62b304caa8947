"""What alarms and the dashboard look at under our own namespace is emitted under that name, with those dimensions; and
whatever is emitted, one of them looks at.

A metric that nobody emits is no error to CloudWatch: its alarm stays quiet for ever. One that nobody looks at is paid for.
"""

import functools
import json
import re

import stage as stages

from . import check
from .alarms import _metrics

NAMESPACE = "SoloOS/the-stack"
# Beside what a function emits: made of lines of the log.
FILTERS = "AWS::Logs::MetricFilter"
# An error answer with its stable code: a literal, or a variable that is given one of several.
ANSWER = re.compile(r'\b(Problem|Self)::new\(\s*StatusCode::\w+,\s*(?:"(\w+)"|(\w+)),')


@functools.cache
def emitted():
    """`{name: {dimension set}}`: what shared/src/metrics/catalogue.rs says."""
    text = (stages.ROOT / "shared/src/metrics/catalogue.rs").read_text()
    sets = {name: tuple(re.findall(r'"(\w+)"', said)) for name, said in re.findall(r"const (\w+): DimensionSet = &\[(.*?)\];", text)}
    names = dict(re.findall(r'Self::(\w+) => "(\w+)",', text))
    dimensions = re.findall(r"Self::(\w+) => &\[([A-Z, ]+)\],", text)
    assert set(names) == {variant for variant, _ in dimensions}, "the catalogue is not written as it is read here"
    return {names[variant]: {sets[each] for each in said.split(", ")} for variant, said in dimensions}


@functools.cache
def words(dimension):
    """The values that a dimension may have, as far as the code knows them."""
    if dimension == "Reason":
        files = [stages.ROOT / "shared/src/http", stages.ROOT / "functions/webhooks/src"]
        return {code for folder in files for path in folder.rglob("*.rs") for code in _codes(path.read_text())}
    if dimension == "Function":
        mains = (stages.ROOT / "functions").glob("*/src/main.rs")
        return {found for path in mains for found in re.findall(r'Meter::new\("(\w+)"', path.read_text())}
    return None


def _codes(text):
    """The stable codes of the answers in a Rust source, and what it counts as refused without an answer."""
    answers = ANSWER.findall(text)
    read = [kind for kind, *_ in answers].count("Problem")
    assert read == text.count("Problem::new("), "an answer is not written as it is read here"
    yield from re.findall(r'About::Refusal\([^()]*,\s*"(\w+)"\)', text)
    for _, literal, variable in answers:
        given = re.findall(rf"let {variable} = (.*?);", text, re.DOTALL)
        codes = [literal] if literal else re.findall(r'"(\w+)"', "".join(given))
        assert codes, f"the code {variable} is not written as it is read here"
        yield from codes


@check
def metrics(stage):
    filtered = {
        (each["MetricNamespace"], each["MetricName"])
        for resource in stage.of(FILTERS).values()
        for each in resource["Properties"]["MetricTransformations"]
    }
    seen = set()
    for where, namespace, name, dimensions in _looked_at(stage):
        if namespace == NAMESPACE and not any(dimensions.values()):
            seen.add((name, tuple(dimensions)))
        if not namespace.startswith("SoloOS"):
            continue
        if (namespace, name) in filtered:
            if dimensions:
                yield f"{where} looks at {name} by {sorted(dimensions)}, and its lines have no dimensions"
            continue
        if namespace != NAMESPACE:
            yield f"{where} looks into {namespace}, which is not this stage's"
        elif name not in emitted():
            yield f"{where} looks at {name}, which nothing emits"
        elif tuple(dimensions) not in emitted()[name]:
            yield f"{where} looks at {name} by {sorted(dimensions)}, and it is not emitted so"
        for dimension, value in dimensions.items():
            if value is not None and words(dimension) is not None and value not in words(dimension):
                yield f"{where} looks for the {dimension} {value}, which the code does not know"
    for name, sets in emitted().items():
        for dimensions in sorted(sets):
            if (name, dimensions) not in seen:
                yield f"{name} by {list(dimensions)} is paid for, and no alarm and no widget looks at all of it"
    for name, function in stage.functions.items():
        variables = function["Properties"].get("Environment", {}).get("Variables", {})
        if _is_metered(function) and variables.get("METRICS_NAMESPACE") != NAMESPACE:
            yield f"{name} does not emit under {NAMESPACE}"


def _is_metered(function):
    main = stages.ROOT / "functions" / function["Metadata"]["BuildProperties"]["Binary"] / "src/main.rs"
    return main.exists() and "Meter::new(" in main.read_text()


def _looked_at(stage):
    """`(where, namespace, name, {dimension: value})`; without a value it is about all of them."""
    for name, alarm in stage.of("AWS::CloudWatch::Alarm").items():
        for metric in _metrics(alarm["Properties"]):
            dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])}
            yield name, metric["Namespace"], metric["MetricName"], dimensions
    for name, dashboard in stage.of("AWS::CloudWatch::Dashboard").items():
        body = dashboard["Properties"]["DashboardBody"]
        text = body["Fn::Sub"][0] if isinstance(body, dict) else body
        for widget in json.loads(text)["widgets"]:
            for line in widget["properties"]["metrics"]:
                texts = [each for each in line if isinstance(each, str)]
                if texts:
                    namespace, metric, *rest = texts
                    yield name, namespace, metric, dict(zip(rest[::2], rest[1::2], strict=True))
                for each in line:
                    if isinstance(each, dict) and "expression" in each:
                        yield from _searched(name, each["expression"])


def _searched(where, expression):
    """Each SEARCH of an expression. What is not understood here is a name that nothing emits."""
    for search in re.findall(r"SEARCH\(.*?\)", expression):
        found = re.fullmatch(r"""SEARCH\('\{"?([^",}]+)"?((?:,\w+)*)\} MetricName="(\w+)"', '\w+', \d+\)""", search)
        if found is None:
            yield where, NAMESPACE, f"whatever {search} finds", {}
        else:
            yield where, found[1], found[3], dict.fromkeys(found[2].split(",")[1:], None)
