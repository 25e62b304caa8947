"""A stage as CloudFormation gets it: the templates, translated by SAM's own translator, with parameters and conditions put in.

What only AWS can know stays an intrinsic (`Ref`, `Fn::GetAtt`, ...). Deliberately absent: a simulation of CloudFormation.
"""

import copy
import os
import re
from dataclasses import dataclass
from pathlib import Path

# Before SAM is imported: it asks boto for a region.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]

PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "the-stack",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True)
class Sources:
    """The templates as they are written. `nested` goes by the name of the resource in the root; `apart` by file."""

    root: dict
    nested: dict
    apart: dict

    def copy(self):
        return copy.deepcopy(self)


@dataclass(frozen=True)
class Stage:
    """One stage. Templates are resolved: `root`, and `nested` by the name of the resource in the root."""

    sources: Sources
    parameters: dict
    root: dict
    nested: dict
    apart: dict

    def templates(self):
        """Every template with a name for the reader."""
        yield "template.yaml", self.root
        for name, template in self.nested.items():
            yield self.sources.root["Resources"][name]["Properties"]["Location"], template
        for name, template in self.apart.items():
            yield f"infra/{name}.yaml", template

    def all_of(self, *types):
        """`(where, name, resource)` of these types, in every template."""
        for where, template in self.templates():
            for name, resource in template["Resources"].items():
                if resource["Type"] in types:
                    yield where, name, resource

    def of(self, *types):
        """`name: resource` of these types in the root."""
        return {name: resource for name, resource in self.root["Resources"].items() if resource["Type"] in types}

    @property
    def functions(self):
        return self.of("AWS::Lambda::Function")

    def version_of(self, function):
        """`(name, resource)` of what the alias `live` points to. `None` without an alias."""
        for alias in self.of("AWS::Lambda::Alias").values():
            if alias["Properties"]["FunctionName"] == {"Ref": function} and alias["Properties"]["Name"] == "live":
                name = alias["Properties"]["FunctionVersion"]["Fn::GetAtt"][0]
                return name, self.root["Resources"][name]
        return None

    @property
    def shifting(self):
        """The functions that CodeDeploy moves traffic to."""
        groups = self.of("AWS::CodeDeploy::DeploymentGroup")
        return [name for name in self.functions if f"{name}DeploymentGroup" in groups]

    @property
    def on_the_database(self):
        """The functions that are told where the database is."""
        return [name for name in self.functions if any(key.endswith("DATABASE_URL") for key in environment(self, name))]


def environment(stage, function):
    return stage.functions[function]["Properties"].get("Environment", {}).get("Variables", {})


def read_sources():
    def read(path):
        return yaml_parse((ROOT / path).read_text())

    root = read("template.yaml")
    locations = {
        name: resource["Properties"]["Location"]
        for name, resource in root["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Application"
    }
    nested = {name: read(location) for name, location in locations.items()}
    others = {path.stem for path in (ROOT / "infra").glob("*.yaml")} - {"checkov"}
    others -= {Path(location).stem for location in locations.values()}
    return Sources(root, nested, {name: read(f"infra/{name}.yaml") for name in sorted(others)})


def translate(sources, **parameters):
    """The stage that these parameters make, the rest by default."""
    translated = transform(_as_packaged(sources.root), parameters, _NoPolicies())
    values = _defaults(sources.root) | parameters
    root = resolve(translated, values)
    nested = {}
    for name, template in sources.nested.items():
        if name in root["Resources"]:
            given = root["Resources"][name]["Properties"].get("Parameters", {})
            nested[name] = resolve(template, _defaults(template) | given)
    apart = {}
    for name, template in sources.apart.items():
        same = {parameter: value for parameter, value in values.items() if parameter in template.get("Parameters", {})}
        apart[name] = resolve(template, _defaults(template) | same)
    return Stage(sources, values, root, nested, apart)


class _NoPolicies:
    """Managed policies by name would have to be asked from AWS. The template names none."""

    def load(self):
        return {}


def _as_packaged(root):
    root = copy.deepcopy(root)
    for name, resource in root["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = f"s3://packages/{name}"
        if resource["Type"] == "AWS::Serverless::Application":
            resource["Properties"]["Location"] = f"https://s3.amazonaws.com/packages/{name}"
    return root


def _defaults(template):
    return {name: str(said["Default"]) for name, said in template.get("Parameters", {}).items() if "Default" in said}


def resolve(template, parameters):
    """The template without what its conditions rule out, with the values of its parameters."""
    names = PSEUDO | parameters
    conditions = {}

    def holds(name):
        if name not in conditions:
            conditions[name] = judge(template["Conditions"][name])
        return conditions[name]

    def judge(condition):
        (kind, of), = condition.items()
        if kind == "Condition":
            return holds(of)
        if kind == "Fn::Equals":
            return put(of[0]) == put(of[1])
        if kind == "Fn::Not":
            return not judge(of[0])
        return {"Fn::And": all, "Fn::Or": any}[kind](judge(each) for each in of)

    def put(value):
        if isinstance(value, list):
            return [done for done in map(put, value) if done != NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (kind, of), = value.items()
            if kind == "Ref":
                return names.get(of, value)
            if kind == "Fn::If":
                return put(of[1] if holds(of[0]) else of[2])
            if kind == "Fn::Sub":
                return substitute(of)
        return {key: done for key, done in ((key, put(each)) for key, each in value.items()) if done != NOTHING}

    def substitute(of):
        text, more = of if isinstance(of, list) else (of, {})
        more = {name: put(value) for name, value in more.items()}
        known = {name: value for name, value in (names | more).items() if isinstance(value, str)}
        text = re.sub(r"\$\{([\w:]+)\}", lambda found: known.get(found[1], found[0]), text)
        rest = {name: value for name, value in more.items() if name not in known}
        if "${" not in text:
            return text
        return {"Fn::Sub": [text, rest] if rest else text}

    def kept(section):
        said = template.get(section, {})
        return {name: put(each) for name, each in said.items() if "Condition" not in each or holds(each["Condition"])}

    return {"Resources": kept("Resources"), "Outputs": kept("Outputs"), "Parameters": template.get("Parameters", {})}
