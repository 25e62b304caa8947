"""The two roles with which GitHub deploys a stage: they reach this stage and no other, and not themselves.

They make and unmake everything that a stage has, so some of what they may do is broad. Each such statement is listed here
with its reason; the rest is held to what everything else is held to (access.py).
"""

import json
import re

from . import check

FILE = "infra/github.yaml"
PREFIX = "solo-os"

# All actions, or all below a name; whose it is, the name says.
OWN = {
    ("DeployRole", "Stacks"): "an ARN of a stack ends with an id that AWS gives it",
    ("StackRole", "NestedStacks"): "as above; and a stack is made, changed and deleted with its nested ones",
    ("StackRole", "Functions"): "a function with its versions, aliases, permissions and settings is made and unmade",
    ("StackRole", "Queues"): "a queue with its policy and tags is made and unmade",
    ("StackRole", "Topics"): "a topic with its policy, subscriptions and tags is made and unmade",
    ("StackRole", "Logs"): "a log group with its filters is made and unmade; an ARN of its streams ends with a star",
    ("StackRole", "Deployments"): "CloudFormation deploys through CodeDeploy, and makes its application and groups",
    ("StackRole", "Buckets"): "a bucket has two dozen settings, each with an action to read and one to write",
}
# What has no name of the stage's in it.
UNNAMED = {
    ("DeployRole", "SamStack"): "sam's bucket is the account's, not a stage's",
    ("DeployRole", "Transform"): "AWS's own",
    ("DeployRole", "TemplateSummary"): "of a template that is not a stack yet",
    ("DeployRole", "Packages"): "sam's bucket is the account's, not a stage's",
    ("DeployRole", "AccountSettings"): "the account's; Lambda knows no resource for it",
    ("StackRole", "Transform"): "AWS's own",
    ("StackRole", "QueueMappings"): "named by AWS; a condition names the stage's functions",
    ("StackRole", "QueueMappingsRead"): "named by AWS; reads and tags only",
    ("StackRole", "ServiceLinkedRoles"): "named by AWS; a condition names three services",
    ("StackRole", "LogDelivery"): "CloudWatch Logs knows no resource for these",
    ("StackRole", "AlarmsRead"): "a list",
    ("StackRole", "DeploymentConfigs"): "AWS's own ones; reads only",
    ("StackRole", "Packages"): "sam's bucket is the account's, not a stage's; reads only",
    ("StackRole", "MasterSecret"): "RDS names it; made and tagged only",
    ("StackRole", "RandomPasswords"): "makes a password up, of no resource",
    ("StackRole", "DatabaseSecretKey"): "AWS's keys have no name in an ARN; a condition names the two services",
    ("StackRole", "DatabaseOptions"): "AWS's default option group, which a new database is in",
    ("StackRole", "ReadOnlyLists"): "lists",
    ("StackRole", "Network"): "the network's parts have no names before they exist",
    ("StackRole", "Api"): "API Gateway gives an API an id, not a name",
    ("StackRole", "HealthChecks"): "Route 53 gives a check an id, not a name",
}
BROAD = OWN | UNNAMED

# What IAM takes of a role's own policies, white space apart. The prefix may be up to 31 characters and is said about 30 times.
LARGEST = 10_240 - 30 * (31 - len(PREFIX))


def is_broad(where, role, statement):
    return where == FILE and (role, statement.get("Sid")) in BROAD


@check
def deployers(stage):
    template = stage.apart["github"]
    own = re.compile(rf"[:/_]{PREFIX}-{stage.parameters['Stage']}(?![a-z0-9*])")
    seen = set()
    for role, statement in _statements(template):
        key = (role, statement.get("Sid"))
        seen.add(key)
        if statement["Effect"] != "Allow" or key in UNNAMED:
            continue
        for resource in _list(statement["Resource"]):
            if not _is_here(resource, template) and not own.search(_text(resource)):
                yield f"{role} of {FILE} reaches beyond its stage ({statement.get('Sid')}: {_text(resource)})"
    for role in sorted({role for role, _ in seen}):
        size = len(json.dumps([statement for name, statement in _statements(template) if name == role], separators=(",", ":")))
        if size > LARGEST:
            yield f"{role} of {FILE} has more policies than IAM takes ({size} characters, of {LARGEST})"
    for role, sid in sorted(set(BROAD) - seen):
        yield f"{role} of {FILE} is said to be broad in {sid}, which it does not have"
    if not any(role == "StackRole" and _spares_itself(statement) for role, statement in _statements(template)):
        yield f"StackRole of {FILE} may change itself"
    for role, statement in _statements(template):
        if statement["Effect"] == "Allow" and "iam:AttachRolePolicy" in _list(statement["Action"]):
            attached = _list(statement.get("Condition", {}).get("ArnLike", {}).get("iam:PolicyARN", []))
            if not attached or not all(own.search(arn) or arn.endswith("/AWSCodeDeployRoleForLambda") for arn in attached):
                yield f"{role} of {FILE} may attach any policy"


@check
def trust(stage):
    """Only the stage's own environment of the one repository takes a role on: by its name, and by its name with ids."""
    wanted = {
        f"repo:${{Owner}}/${{Name}}:environment:{stage.parameters['Stage']}",
        f"repo:${{Owner}}@*/${{Name}}@*:environment:{stage.parameters['Stage']}",
    }
    for where, name, role in stage.all_of("AWS::IAM::Role"):
        for statement in _list(role["Properties"]["AssumeRolePolicyDocument"]["Statement"]):
            if "Federated" not in statement["Principal"]:
                continue
            said = {}
            for each in statement.get("Condition", {}).values():
                said |= {key.rsplit(":", 1)[-1]: {_text(value) for value in _list(values)} for key, values in each.items()}
            if said.get("aud") != {"sts.amazonaws.com"}:
                yield f"{name} of {where} takes a token that was made for somebody else"
            if said.get("sub") != wanted:
                yield f"{name} of {where} trusts {sorted(said.get('sub', {'anyone'}))}"


def _statements(template):
    for name, resource in template["Resources"].items():
        for policy in resource.get("Properties", {}).get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def _spares_itself(statement):
    return (
        statement["Effect"] == "Deny"
        and statement["Action"] == "iam:*"
        and statement["Resource"].endswith(":role/the-stack-*")
        and "Condition" not in statement
    )


def _is_here(resource, template):
    return isinstance(resource, dict) and resource.get("Fn::GetAtt", [None])[0] in template["Resources"]


def _list(value):
    return value if isinstance(value, list) else [value]


def _text(value):
    return value["Fn::Sub"] if isinstance(value, dict) and "Fn::Sub" in value else str(value)
