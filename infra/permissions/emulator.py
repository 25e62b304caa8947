"""An AWS emulator of one's own, with one role in it, which it holds to its policies."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3

from .verdict import Call

HERE = Path(__file__).resolve().parent
READY_WITHIN = 60
ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
ANYONE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}


class Emulator:
    """`directory` is for its log and its list of calls. `python` is the one that moto is installed for."""

    def __init__(self, role, directory, python):
        self.role, self.directory, self.python = role, directory, python
        self.calls_file = directory / f"{role.function.lower()}.calls"

    def __enter__(self):
        self.calls_file.write_text("")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        self.endpoint = f"http://127.0.0.1:{port}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHONPATH"))}
        with open(self.directory / f"{self.role.function.lower()}.emulator.log", "w") as log:
            self.process = subprocess.Popen(
                [self.python, HERE / "server.py", port, self.calls_file, json.dumps(self.role.context)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment | {"MOTO_ACCOUNT_ID": "123456789012", "PYTHONDONTWRITEBYTECODE": "1"},
            )
        try:
            self._wait()
            self._people()
            self._enforce()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.stdin.close()
        self.process.wait()

    def calls(self):
        """What the role has called so far."""
        return [Call(**json.loads(line)) for line in self.calls_file.read_text().splitlines()]

    def client(self, service, key):
        """A client with the key of `self.of_role` or `self.of_admin`."""
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        keys = dict(zip(names, key, strict=False))
        return boto3.client(service, endpoint_url=self.endpoint, region_name="us-east-1", **keys)

    def environment(self):
        """Variables for the tests: they are the role, and the administrator where they say so."""
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        admin = ("TESTKIT_ADMIN_ACCESS_KEY_ID", "TESTKIT_ADMIN_SECRET_ACCESS_KEY")
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
            **dict(zip(names, self.of_role, strict=True)),
            **dict(zip(admin, self.of_admin, strict=True)),
        }

    def _wait(self):
        end = time.monotonic() + READY_WITHIN
        while True:
            try:
                return urllib.request.urlopen(f"{self.endpoint}/moto-api/data.json", timeout=5).close()
            except (urllib.error.URLError, ConnectionError) as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"the AWS emulator does not start, see {self.directory}") from error
                time.sleep(0.1)

    def _people(self):
        anyone = ("setup", "setup")
        iam = self.client("iam", anyone)
        iam.create_user(UserName="admin")
        iam.put_user_policy(UserName="admin", PolicyName="anything", PolicyDocument=json.dumps(ANYTHING))
        key = iam.create_access_key(UserName="admin")["AccessKey"]
        self.of_admin = (key["AccessKeyId"], key["SecretAccessKey"])
        # By anyone, and not by Lambda alone, as the template has it: there is no Lambda here.
        made = iam.create_role(RoleName=self.role.function.lower(), AssumeRolePolicyDocument=json.dumps(ANYONE))
        for name, document in self.role.documents.items():
            iam.put_role_policy(RoleName=self.role.function.lower(), PolicyName=name, PolicyDocument=json.dumps(document))
        assumed = self.client("sts", anyone).assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="tests")
        key = assumed["Credentials"]
        self.of_role = (key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"])

    def _enforce(self):
        # moto reads the whole body, unless it is called a form.
        url, headers = f"{self.endpoint}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(url, data=b"0", headers=headers), timeout=10).close()
