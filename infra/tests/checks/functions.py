"""Each function: its logs, its alias, how many of it run at once, and who hears of its failures."""

from . import check

# What the functions may hold together. db.t4g.micro takes 112; while versions change, both hold theirs.
CONNECTIONS = 80
# What one invocation of a job holds: one for its record, and its own. `pg_restore` takes several at once.
OF_JOBS = {"Backup": 3, "Drill": 5, "Reconcile": 2}


@check
def logs(stage):
    groups = stage.of("AWS::Logs::LogGroup")
    seen = set()
    for name, function in stage.functions.items():
        logging = function["Properties"].get("LoggingConfig", {})
        group = groups.get(logging.get("LogGroup", {}).get("Ref"))
        if group is None:
            yield f"{name} has no log group of the template"
            continue
        expected = f"/aws/lambda/{function['Properties']['FunctionName']}"
        if group["Properties"].get("LogGroupName") != expected:
            yield f"{name} logs to a group that is not named {expected}"
        if logging["LogGroup"]["Ref"] in seen:
            yield f"{name} shares its log group"
        seen.add(logging["LogGroup"]["Ref"])
        if logging.get("LogFormat") != "JSON":
            yield f"{name} does not log JSON"
    for where, name, group in stage.all_of("AWS::Logs::LogGroup"):
        if not group["Properties"].get("RetentionInDays"):
            yield f"{name} of {where} keeps its lines for ever"


@check
def aliases(stage):
    """Whoever calls a function calls its alias: else a rollback would not reach them."""
    for name in stage.functions:
        if stage.version_of(name) is None:
            yield f"{name} has no alias live"
    live = {f"{name}Aliaslive" for name in stage.functions}
    for name, mapping in stage.of("AWS::Lambda::EventSourceMapping").items():
        if mapping["Properties"]["FunctionName"].get("Ref") not in live:
            yield f"{name} feeds a function past its alias"
    for name, schedule in stage.of("AWS::Scheduler::Schedule").items():
        if schedule["Properties"]["Target"]["Arn"].get("Ref") not in live:
            yield f"{name} calls a function past its alias"
    for name, permission in stage.of("AWS::Lambda::Permission").items():
        if permission["Properties"]["FunctionName"].get("Ref") not in live:
            yield f"{name} lets a function be called past its alias"
    for _, path, function in api_routes(stage):
        if function is None:
            yield f"{path} of the API calls a function past its alias"


def api_routes(stage):
    """`(api, path, function)`; the function is None when it is not called by its alias."""
    for api, resource in stage.of("AWS::ApiGatewayV2::Api").items():
        for path, methods in resource["Properties"]["Body"]["paths"].items():
            for method in methods.values():
                uri = method["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
                called = uri.split("functions/${")[-1].split("}")[0]
                yield api, path, called.removesuffix("Aliaslive") if called.endswith("Aliaslive") else None


@check
def concurrency(stage):
    connections = 0
    for name, function in stage.functions.items():
        reserved = function["Properties"].get("ReservedConcurrentExecutions")
        if not reserved:
            yield f"{name} reserves no concurrency"
            continue
        if name in stage.on_the_database:
            variables = function["Properties"]["Environment"]["Variables"]
            connections += reserved * int(variables.get(f"{name.upper()}_CONNECTIONS", OF_JOBS.get(name, 1)))
        for mapping in _mappings_of(stage, name):
            if mapping["Properties"].get("ScalingConfig", {}).get("MaximumConcurrency", reserved + 1) > reserved:
                yield f"{name} is fed more messages at once than it may run"
    if connections > CONNECTIONS:
        yield f"the functions together may open {connections} connections to the database, {CONNECTIONS} are planned"


def _mappings_of(stage, function):
    for mapping in stage.of("AWS::Lambda::EventSourceMapping").values():
        if mapping["Properties"]["FunctionName"] == {"Ref": f"{function}Aliaslive"}:
            yield mapping


@check
def timeouts(stage):
    queues = stage.of("AWS::SQS::Queue")
    for _, path, name in api_routes(stage):
        if name and stage.functions[name]["Properties"].get("Timeout") != 30:
            yield f"{name} answers {path} and its time is not 30 s, which is what the API waits"
    for name, function in stage.functions.items():
        for mapping in _mappings_of(stage, name):
            queue = mapping["Properties"]["EventSourceArn"]["Fn::GetAtt"][0]
            if queues[queue]["Properties"].get("VisibilityTimeout", 30) < function["Properties"]["Timeout"]:
                yield f"{queue} shows a message again while {name} still works on it"


@check
def failures(stage):
    """What is invoked asynchronously has a place for failures, under the name by which it is invoked; queues have others."""
    for name, qualifier in _asynchronous(stage):
        configs = [
            config["Properties"]
            for config in stage.of("AWS::Lambda::EventInvokeConfig").values()
            if config["Properties"]["FunctionName"] == {"Ref": name} and config["Properties"]["Qualifier"] == qualifier
        ]
        if not configs:
            yield f"{name} is invoked asynchronously as {qualifier}, and no EventInvokeConfig is for that"
            continue
        target = configs[0].get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if _queue_of(stage, target) is None:
            yield f"{name} has no queue for its failures"
        elif not _may_send(stage, name, target):
            yield f"{name} may not send to the queue for its failures"
        if "MaximumRetryAttempts" not in configs[0]:
            yield f"{name} does not say how often it is tried again"
    for name, schedule in stage.of("AWS::Scheduler::Schedule").items():
        if _queue_of(stage, schedule["Properties"]["Target"].get("DeadLetterConfig", {}).get("Arn")) is None:
            yield f"{name} has no queue for what it cannot deliver"
    configs = [config["Properties"]["FunctionName"] for config in stage.of("AWS::Lambda::EventInvokeConfig").values()]
    for name in stage.functions:
        if {"Ref": name} not in configs and not list(_mappings_of(stage, name)):
            yield f"{name} has no place for its failures"
        for mapping in _mappings_of(stage, name):
            yield from _fed(stage, name, mapping["Properties"])


def _fed(stage, name, mapping):
    queue = mapping["EventSourceArn"]["Fn::GetAtt"][0]
    redrive = stage.of("AWS::SQS::Queue")[queue]["Properties"].get("RedrivePolicy", {})
    if _queue_of(stage, redrive.get("deadLetterTargetArn")) in (None, queue):
        yield f"{queue}, which feeds {name}, has no dead-letter queue"
    if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
        yield f"{name} cannot give back one message of a batch"


def _asynchronous(stage):
    """`(function, qualifier)` of those that are invoked by who does not wait for their answer."""
    for schedule in stage.of("AWS::Scheduler::Schedule").values():
        target = schedule["Properties"]["Target"]["Arn"].get("Ref", "")
        if target.endswith("Aliaslive"):
            yield target.removesuffix("Aliaslive"), "live"
    for resource in stage.of("AWS::CloudFormation::CustomResource").values():
        token = resource["Properties"]["ServiceToken"].get("Fn::GetAtt")
        if token and token[1] == "Arn":
            yield token[0], "$LATEST"
    for hook in sorted(set(hooks(stage).values())):
        yield hook, "$LATEST"


def hooks(stage):
    """`function: hook` for those whose traffic CodeDeploy moves."""
    found = {}
    for alias in stage.of("AWS::Lambda::Alias").values():
        hook = alias.get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate", {}).get("BeforeAllowTrafficHook", {})
        if "Ref" in hook:
            found[alias["Properties"]["FunctionName"]["Ref"]] = hook["Ref"]
    return found


def _may_send(stage, function, queue):
    """Lambda sends a failure in the name of the function's role."""
    role = stage.functions[function]["Properties"]["Role"]["Fn::GetAtt"][0]
    for policy in stage.root["Resources"][role]["Properties"].get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            resources, actions = statement["Resource"], statement["Action"]
            if "sqs:SendMessage" in actions and queue in (resources if isinstance(resources, list) else [resources]):
                return True
    return False


def _queue_of(stage, arn):
    (queue, attribute) = (arn or {}).get("Fn::GetAtt", (None, None))
    return queue if attribute == "Arn" and queue in stage.of("AWS::SQS::Queue") else None
