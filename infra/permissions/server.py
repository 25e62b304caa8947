"""moto's server, with permissions enforced as AWS does. The emulator's own Python runs it:

    python server.py <port> <file for calls> <what AWS says of every call, as JSON>

moto asks a role's policies once it is told to (`/moto-api/reset-auth`). What differs from AWS (moto 5.2) is put right here:

- The resource. S3 and SQS name it; everything else is asked about `*`, which no policy for one thing covers. (And SQS about
  `*` when there is no such queue.) So it is read from the request.
- The action. moto asks about the API's own name; some of them go by another permission.
- Patterns. `.` is any character to moto, and `?` none.
- An object that is not there. Who may not list the bucket is not told so: `GetObject` is refused
  (docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Permissions").
- CodeDeploy's hooks, which moto does not know.
- Signatures. moto puts a form together anew before it looks at its signature, and refuses good ones of SNS. None is looked at:
  who calls is known by the key.

Every call of a role goes to the file, a line of JSON each. The administrator, an IAM user, is not watched. The end of standard
input ends the server: it never outlives who started it.
"""

import json
import os
import sys
import threading
from urllib.parse import unquote, urlsplit

import moto.sqs.models
from moto.codedeploy.responses import CodeDeployResponse
from moto.core.authorization import ActionAuthenticatorMixin
from moto.iam.access_control import AssumedRoleAccessKey, IAMPolicy, IAMRequestBase
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.server import main

import policy

PERMISSIONS = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}


def resource_of(request, said):
    """The ARN of what a request is about; `said` is moto's own word."""
    place = f"{request.region}:{request.current_account}"
    match request.service_name:
        case "secretsmanager":
            return secret(request, request._get_param("SecretId") or "*", place)
        case "sqs":
            url = request._get_param("QueueUrl")
            return f"arn:aws:sqs:{place}:{url.rsplit('/', 1)[-1]}" if url else said
        case "sns":
            return request._get_param("TopicArn") or said
        case "awslambda":
            return function(request, place)
        case "codedeploy":
            # It says a deployment; AWS knows of which application that is. Here there is but one.
            return f"arn:aws:codedeploy:{place}:deploymentgroup:the-stack-ServerlessDeploymentApplication-1/group"
    return said


def secret(request, name, place):
    """A request says a name or an ARN. The ARN of a secret that exists ends in six characters more than its name."""
    if name.startswith("arn:"):
        return name
    found = dict.get(secretsmanager_backends[request.current_account][request.region].secrets, name)
    return found.arn if found else f"arn:aws:secretsmanager:{place}:secret:{name}"


def function(request, place):
    """A request says a name or an ARN, and the version or alias with it or beside it."""
    name = unquote(urlsplit(request.uri).path).split("/functions/")[-1].split("/")[0]
    arn = name if name.startswith("arn:") else f"arn:aws:lambda:{place}:function:{name}"
    qualifier = request.querystring.get("Qualifier")
    return f"{arn}:{qualifier[0]}" if qualifier else arn


class Watch:
    def __init__(self, path, context):
        self.file = open(path, "a", buffering=1)
        self.lock = threading.Lock()
        self.context = context

    def check(self, call, resource):
        """In place of moto's own look at a role's policies."""
        documents = [IAMPolicy(each)._policy_json for each in call._access_key.collect_policies()]
        action = PERMISSIONS.get(call._action, call._action)
        for action, resource in self.needed(call, action, resource):
            allowed = policy.is_allowed(documents, action, resource, self.context)
            with self.lock:
                print(json.dumps({"action": action, "resource": resource, "allowed": allowed}), file=self.file)
            if not allowed:
                call._raise_access_denied()

    @staticmethod
    def needed(call, action, resource):
        yield action, resource
        if action == "s3:GetObject":
            bucket, _, key = resource.rpartition(":")[2].partition("/")
            there = s3_backends[call.account_id]["aws"].buckets.get(bucket)
            if there is not None and key not in there.keys:
                yield "s3:ListBucket", f"arn:aws:s3:::{bucket}"


def enforce(watch):
    authorize = ActionAuthenticatorMixin._authenticate_and_authorize_action
    check = IAMRequestBase.check_action_permitted

    def with_its_resource(self, iam_request_cls, resource="*"):
        authorize(self, iam_request_cls, resource_of(self, resource))

    def with_its_policies(self, resource):
        if isinstance(self._access_key, AssumedRoleAccessKey):
            watch.check(self, resource)
        else:
            check(self, resource)

    ActionAuthenticatorMixin._authenticate_and_authorize_action = with_its_resource
    IAMRequestBase.check_signature = lambda _: None
    IAMRequestBase.check_action_permitted = with_its_policies


def know_hooks():
    def take(self):
        return json.dumps({"lifecycleEventHookExecutionId": self._get_param("lifecycleEventHookExecutionId")})

    CodeDeployResponse.put_lifecycle_event_hook_execution_status = take


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    port, calls, context = sys.argv[1:]
    enforce(Watch(calls, json.loads(context)))
    know_hooks()
    # It counts the whole queue several times for each message that is handed out.
    moto.sqs.models.SQSBackend.is_message_valid_based_on_retention_period = lambda *_: True
    threading.Thread(target=end_with_parent, daemon=True).start()
    main(["-H", "127.0.0.1", "-p", port])
