"""Stands in for sam: logs what it was asked, and deploys as it is told by SAM_MODE."""
import os, sys, time, uuid

root, arguments = os.environ["SAM_ROOT"], sys.argv[1:]
if arguments == ["--version"]:
    print("SAM CLI, version 1.170.0")
    sys.exit()
with open(f"{root}/sam.log", "a") as log:
    log.write("\x1f".join(arguments) + "\n")
mode = os.environ.get("SAM_MODE", "works")
if arguments[0] == "package":
    template = arguments[arguments.index("--template-file") + 1]
    packaged = arguments[arguments.index("--output-template-file") + 1]
    text = open(template).read()
    open(packaged, "w").write(text.replace("../lambda/", f"s3://{os.environ['SAM_BUCKET']}/stack/"))
    sys.exit()
if mode == "fails":
    print("CREATE_FAILED: the smoke test said no")
    sys.exit(1)
if mode == "hangs":
    open(f"{root}/sam.pid", "w").write(str(os.getpid()))
    time.sleep(600)
import boto3

client = boto3.client("lambda", region_name="us-east-1", endpoint_url=os.environ["SAM_MOTO"])
release = next(it for it in arguments if it.startswith("Release=")).split("=")[1].strip('"')
for name in ["courier", "health", "ops", "webhooks", "worker"]:
    function = f"{os.environ['SAM_STACK']}-{name}"
    client.update_function_code(FunctionName=function, ZipFile=b"PK\x05\x06" + bytes(18) + str(uuid.uuid4()).encode())
    version = client.publish_version(FunctionName=function, Description=release)["Version"]
    client.update_alias(FunctionName=function, Name="live", FunctionVersion=version)
print("Successfully created/updated stack")
