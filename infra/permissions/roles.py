"""The roles of a stage's functions, in the words of the tests, and what Lambda itself needs of them."""

from dataclasses import dataclass

from . import names
from .policy import listed, read


@dataclass(frozen=True)
class Entry:
    """One action on one resource, of one statement. `resource` is as the template says it, `arn` as the tests call it."""

    policy: str
    effect: str
    action: str
    resource: str
    arn: str


@dataclass(frozen=True)
class Role:
    function: str
    crate: str
    target: str | None
    """Of the crate's tests, where several functions are one program: those that act as this function."""
    documents: dict
    """`{name of the policy: the document, with ARNs as the tests call them}`"""
    entries: list
    context: dict
    """What AWS says of every call from within the function."""
    of_lambda: dict
    """`{(action, resource as the template says it): why}`: what Lambda does in the role's name, and no test can."""


def role_of(stage, function):
    """The role of the function with this logical name."""
    known = names.patterns(stage)
    properties = stage.functions[function]["Properties"]
    role = stage.root["Resources"][properties["Role"]["Fn::GetAtt"][0]]["Properties"]
    policies = {each["PolicyName"]: each["PolicyDocument"] for each in role.get("Policies", [])}
    for managed in role.get("ManagedPolicyArns", []):
        policies[managed["Ref"]] = stage.root["Resources"][managed["Ref"]]["Properties"]["PolicyDocument"]
    documents, entries = {}, []
    for name, document in policies.items():
        statements = [_named(statement, known) for statement in listed(document["Statement"])]
        documents[name] = {"Version": document["Version"], "Statement": statements}
        read(documents[name])
        for statement in listed(document["Statement"]):
            entries += [
                Entry(name, statement["Effect"], action, names.label(resource), names.pattern(resource, known))
                for action in listed(statement["Action"])
                for resource in listed(statement["Resource"])
            ]
    context = {"lambda:SourceFunctionArn": known[f"{function}.Arn"]}
    crate = binary_of(stage, function)
    shares = [other for other in stage.functions if binary_of(stage, other) == crate]
    target = function.lower() if len(shares) > 1 else None
    return Role(function, crate, target, documents, entries, context, of_lambda(stage, function))


def binary_of(stage, function):
    return stage.functions[function]["Metadata"]["BuildProperties"]["Binary"]


def _named(statement, known):
    return statement | {"Resource": [names.pattern(each, known) for each in listed(statement["Resource"])]}


POLLING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
NETWORK = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)


def of_lambda(stage, function):
    """By what the function is configured to. Sources: docs.aws.amazon.com/lambda/latest/dg/, pages `monitoring-cloudwatchlogs`,
    `services-xray`, `configuration-vpc`, `with-sqs`, `invocation-async-retain-records`."""
    properties = stage.functions[function]["Properties"]
    needed = {}
    if "LoggingConfig" in properties:
        group = names.label(properties["LoggingConfig"]["LogGroup"]) + ".Arn"
        needed |= {(action, group): "its log" for action in ("logs:CreateLogStream", "logs:PutLogEvents")}
    if properties.get("TracingConfig", {}).get("Mode") == "Active":
        needed |= {(action, "*"): "traces" for action in ("xray:PutTraceSegments", "xray:PutTelemetryRecords")}
    if "VpcConfig" in properties:
        needed |= {(action, "*"): "its network" for action in NETWORK}
    for mapping in stage.of("AWS::Lambda::EventSourceMapping").values():
        source = mapping["Properties"]
        if names.label(source["FunctionName"]).removesuffix("Aliaslive") == function:
            needed |= {(action, names.label(source["EventSourceArn"])): "its queue" for action in POLLING}
    for config in stage.of("AWS::Lambda::EventInvokeConfig").values():
        said = config["Properties"]
        if names.label(said["FunctionName"]) == function and "OnFailure" in said.get("DestinationConfig", {}):
            to = names.label(said["DestinationConfig"]["OnFailure"]["Destination"])
            needed[("sqs:SendMessage", to)] = "failed invocations"
    return needed
