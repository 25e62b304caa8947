"""The side of Lambda that a function talks to (docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), for one process.

It hands out the invocations it is given, one after the other, and keeps the answers; and it is all of AWS that there is, unless
it is given an emulator: it knows the secrets it is given, and refuses everything else. Deliberately absent: Lambda's limits.
"""

import json
import os
import queue
import re
import subprocess
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# How long a function may take to start, and to answer. Lambda itself gives 10 s for the start.
PATIENCE = 10
ANSWER = 60


class Function:
    """A built function that runs, until the `with` ends. `said` is what it wrote, once it has ended."""

    def __init__(self, binary, name, variables, log, secrets, emulator=None, time_left=ANSWER / 2):
        self._secrets = secrets
        self._time_left = time_left
        self._invocations = queue.Queue()
        self.answers = queue.Queue()
        self.ready = threading.Event()
        self.init_error = None
        self._log = log
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        environment = {
            "PATH": "/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "_HANDLER": "bootstrap",
            "LAMBDA_TASK_ROOT": str(binary.parent),
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_SESSION_TOKEN": "made-up",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "made-up",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            **variables,
            # The SDK takes no dual-stack names with an endpoint of one's own.
            "AWS_ENDPOINT_URL": emulator or f"http://127.0.0.1:{self._server.server_port}",
            "AWS_USE_DUALSTACK_ENDPOINT": "false",
        }
        with log.open("wb") as output:
            self.process = subprocess.Popen([binary], env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=os.sep)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._server.shutdown()
        self._server.server_close()

    @property
    def said(self):
        return self._log.read_text(errors="replace")

    def starts(self):
        """Whether it asks for its first invocation. It may end instead, or take too long."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.ready.wait(0.05):
                return True
            if self.process.poll() is not None:
                return False
        return False

    def invoke(self, event):
        """`("response" | "error", body)`"""
        self._invocations.put(event)
        return self.answers.get(timeout=max(ANSWER, self._time_left))

    def _handler(self):
        function = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                function.ready.set()
                event = function._invocations.get().encode()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", str(uuid.uuid4()))
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + function._time_left) * 1000)))
                arn = "arn:aws:lambda:us-east-1:123456789012:function:made-up:1"
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", arn)
                self.send_header("Lambda-Runtime-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                if self.path == "/":
                    return self.as_aws(body)
                if self.path.endswith("/init/error"):
                    function.init_error = json.loads(body)
                elif found := re.search(r"/invocation/[\w-]+/(response|error)$", self.path):
                    function.answers.put((found[1], json.loads(body or "null")))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def as_aws(self, body):
                status, answer = 400, {"__type": "ResourceNotFoundException", "message": "there is nothing here"}
                if self.headers.get("X-Amz-Target") == "secretsmanager.GetSecretValue":
                    asked = json.loads(body)["SecretId"]
                    if asked in function._secrets:
                        status = 200
                        answer = {"ARN": asked, "Name": asked, "SecretString": json.dumps(function._secrets[asked])}
                said = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        return Handler
