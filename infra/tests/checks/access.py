"""Who may do what: policies name what they are for, nothing is public, and no secret leaves Secrets Manager."""

import re
from fnmatch import fnmatchcase

from . import check
from .deployers import is_broad

# These know no resource that could be named: X-Ray has none, a network interface exists only once it was made, and which alarms ring
# is asked of all of them.
UNNAMEABLE = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
    "cloudwatch:DescribeAlarms",
}
SECRET = re.compile(r"password|token|secret|credential|private_?key", re.IGNORECASE)
# What may be said of a secret: where it is.
PLACE = re.compile(r"(arn|id)$", re.IGNORECASE)


def _list(value):
    return value if isinstance(value, list) else [value]


def _documents(resource):
    properties = resource.get("Properties", {})
    for policy in properties.get("Policies", []):
        if "PolicyDocument" in policy:
            yield policy["PolicyDocument"]
    for key in ("PolicyDocument", "AssumeRolePolicyDocument", "ResourcePolicy"):
        if key in properties:
            yield properties[key]


def allowed(stage):
    """`(where, name, statement)` of everything that is allowed."""
    for where, template in stage.templates():
        for name, resource in template["Resources"].items():
            for document in _documents(resource):
                for statement in _list(document["Statement"]):
                    if statement["Effect"] == "Allow":
                        yield where, name, statement


@check
def wildcards(stage):
    for where, name, statement in allowed(stage):
        if is_broad(where, name, statement):
            continue
        actions = _list(statement.get("Action", []))
        if "NotAction" in statement or "NotResource" in statement:
            yield f"{name} of {where} allows all but something"
        for action in actions:
            if "*" in action:
                yield f"{name} of {where} allows {action}"
        for resource in _list(statement.get("Resource", [])):
            if _is_anything(resource) and not set(actions) <= UNNAMEABLE:
                yield f"{name} of {where} allows {', '.join(actions)} on anything"
    for _, name, resource in stage.all_of("AWS::IAM::Role"):
        for arn in resource["Properties"].get("ManagedPolicyArns", []):
            if isinstance(arn, str) and "/service-role/" not in arn:
                yield f"{name} has a policy of AWS that is wider than it needs ({arn})"


@check
def operators(stage):
    """OperatorPolicy suffices for `solo status` and `solo logs`: the log of every function may be read."""
    policy = stage.root["Resources"]["OperatorPolicy"]["Properties"]["PolicyDocument"]
    may = {action: _list(each["Resource"]) for each in policy["Statement"] for action in _list(each["Action"])}
    for action in (
        "cloudformation:DescribeStacks",
        "cloudformation:ListStackResources",
        "lambda:GetAlias",
        "lambda:ListVersionsByFunction",
        "cloudwatch:DescribeAlarms",
        "budgets:ViewBudget",
    ):
        if action not in may:
            yield f"OperatorPolicy lacks {action}, which `solo status` asks"
    readable = [_text(each).split(":log-group:")[-1] for each in may.get("logs:FilterLogEvents", [])]
    for name, group in stage.of("AWS::Logs::LogGroup").items():
        text = _text(group["Properties"]["LogGroupName"])
        if text.startswith("/aws/lambda/") and not any(fnmatchcase(text, pattern) for pattern in readable):
            yield f"OperatorPolicy does not let `solo logs` read {name}"


def _text(value):
    return value["Fn::Sub"] if isinstance(value, dict) else value


def _is_anything(resource):
    """`*`, or an ARN that names a service or a kind, and no thing. `${Function.Arn}:*` are the versions of one function, and
    `<the stack's>/*` is what belongs to a thing of the stack."""
    text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else resource
    text = text[0] if isinstance(text, list) else text
    if not text.startswith("arn:"):
        return text == "*"
    service, thing = text.split(":")[2], text.split(":")[-1]
    # In an ARN of S3, what stands before the slash is the bucket; in others, the kind of thing.
    return thing.split("/")[0 if service == "s3" else -1] == "*" and "${" not in thing and "the-stack" not in thing


@check
def public(stage):
    for where, name, statement in allowed(stage):
        principal = statement.get("Principal", {})
        if "*" in _list(principal) or (isinstance(principal, dict) and "*" in _list(principal.get("AWS", []))):
            yield f"{name} of {where} is open to anyone"
    for where, name, permission in stage.all_of("AWS::Lambda::Permission"):
        if permission["Properties"]["Principal"] == "*" or "SourceArn" not in permission["Properties"]:
            yield f"{name} of {where} lets others than its own API call the function"
    for where, name, bucket in stage.all_of("AWS::S3::Bucket"):
        properties = bucket.get("Properties", {})
        blocks = properties.get("PublicAccessBlockConfiguration", {})
        for block in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"):
            if blocks.get(block) is not True:
                yield f"{name} of {where} may become public ({block})"
        if "AccessControl" in properties or "WebsiteConfiguration" in properties:
            yield f"{name} of {where} is made for others to read"


@check
def transport(stage):
    """Every bucket and every queue refuses what does not come by TLS."""
    for where, template in stage.templates():
        covered = set()
        for resource in template["Resources"].values():
            for document in _documents(resource):
                if any(_refuses_plain(statement) for statement in _list(document["Statement"])):
                    properties = resource["Properties"]
                    covered |= {each.get("Ref") for each in [properties.get("Bucket", {}), *properties.get("Queues", [])]}
        for name, resource in template["Resources"].items():
            if resource["Type"] in ("AWS::S3::Bucket", "AWS::SQS::Queue") and name not in covered:
                yield f"{name} of {where} takes calls without TLS"


def _refuses_plain(statement):
    plain = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    return statement["Effect"] == "Deny" and statement.get("Principal") == "*" and plain == "false"


@check
def roles(stage):
    """Each function has a role of its own, which writes to its own log group only."""
    seen = {}
    for name, function in stage.functions.items():
        role = function["Properties"]["Role"]["Fn::GetAtt"][0]
        if role in seen:
            yield f"{name} shares its role with {seen[role]}"
        seen[role] = name
        own = {"Fn::GetAtt": [function["Properties"].get("LoggingConfig", {}).get("LogGroup", {}).get("Ref"), "Arn"]}
        logs = [
            resource
            for _, owner, statement in allowed(stage)
            if owner == role and any(action.startswith("logs:") for action in _list(statement["Action"]))
            for resource in _list(statement["Resource"])
        ]
        if logs != [own]:
            yield f"{role} does not write to the log group of {name} alone"


@check
def secrets(stage):
    """Outputs, parameters and environments say where a secret is, never what it is."""
    for where, template in stage.templates():
        for name, output in template["Outputs"].items():
            if "{{resolve:" in str(output["Value"]) or _is_secret(name):
                yield f"the output {name} of {where} holds a secret"
            for used in _attributes(output["Value"]):
                if _is_secret(used):
                    yield f"the output {name} of {where} holds {used}"
        for name, parameter in template["Parameters"].items():
            if parameter.get("NoEcho") or _is_secret(name):
                yield f"the parameter {name} of {where} holds a secret"
    for name, function in stage.functions.items():
        for variable, value in function["Properties"].get("Environment", {}).get("Variables", {}).items():
            if "{{resolve:" in str(value) or _is_secret(variable):
                yield f"{variable} of {name} holds a secret"


def _is_secret(name):
    return bool(SECRET.search(name)) and not PLACE.search(name)


def _attributes(value):
    if isinstance(value, dict) and "Fn::GetAtt" in value:
        yield value["Fn::GetAtt"][1].removeprefix("Outputs.")
    for text in re.findall(r"\$\{[\w]+\.(?:Outputs\.)?([\w.]+)\}", str(value)):
        yield text
