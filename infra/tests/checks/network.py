"""The network: those that use the database are in it, and nobody else; nothing comes in from outside."""

from stage import environment

from . import check


@check
def network(stage):
    for name, function in stage.functions.items():
        inside = function["Properties"].get("VpcConfig")
        if name not in stage.on_the_database:
            if inside:
                yield f"{name} is in the network, and does not use the database"
            continue
        if not inside:
            yield f"{name} uses the database, and is not in its network"
            continue
        if not inside.get("Ipv6AllowedForDualStack"):
            yield f"{name} cannot reach AWS: its network has no other way out than IPv6"
        if inside["SecurityGroupIds"] != [{"Fn::GetAtt": ["Network", "Outputs.FunctionsSecurityGroup"]}]:
            yield f"{name} is not in the security group that the database lets in"
        if environment(stage, name).get("AWS_USE_DUALSTACK_ENDPOINT") != "true":
            yield f"{name} would ask AWS by names that have no IPv6 address (AWS_USE_DUALSTACK_ENDPOINT)"


ANYONE = ("0.0.0.0/0", "::/0")


@check
def doors(stage):
    """Nothing but the API is reached from outside."""
    for where, name, instance in stage.all_of("AWS::RDS::DBInstance"):
        if instance["Properties"].get("PubliclyAccessible") is not False:
            yield f"{name} of {where} is reached from outside"
    for where, name, rule in stage.all_of("AWS::EC2::SecurityGroupIngress"):
        if _from_anyone(rule["Properties"]):
            yield f"{name} of {where} lets anyone in"
    for where, name, group in stage.all_of("AWS::EC2::SecurityGroup"):
        if any(_from_anyone(rule) for rule in group["Properties"].get("SecurityGroupIngress", [])):
            yield f"{name} of {where} lets anyone in"
    for where, name, _ in stage.all_of("AWS::EC2::InternetGateway", "AWS::Lambda::Url"):
        yield f"{name} of {where} is a way in"
    for where, name, subnet in stage.all_of("AWS::EC2::Subnet"):
        if subnet["Properties"].get("MapPublicIpOnLaunch"):
            yield f"{name} of {where} gives public addresses"


def _from_anyone(rule):
    return rule.get("CidrIp") in ANYONE or rule.get("CidrIpv6") in ANYONE
