"""What cfn-lint, sam, checkov and zizmor are in `make check-infra` for: each finds a fault that was planted in a copy.

sam does not look into nested templates, and cfn-lint not for outputs that they do not have: checks/wiring.py does.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stage import ROOT

TOOLS = Path(sys.executable).parent
TEMPLATES = ["template.yaml", *(f"infra/{path.name}" for path in sorted((ROOT / "infra").glob("*.yaml")))]
TEMPLATES.remove("infra/checkov.yaml")

CFN_LINT = [TOOLS / "cfn-lint", *TEMPLATES]
SAM = [TOOLS / "sam", "validate", "--lint"]
CHECKOV = [ROOT / ".venv-checkov/bin/checkov", "--config-file", "infra/checkov.yaml"]
CHECKOV += [word for template in TEMPLATES for word in ("--file", template)]
ZIZMOR = [TOOLS / "zizmor", "--offline", "--no-progress", "--min-severity", "medium", ".github"]
WORKFLOWS = [f".github/workflows/{path.name}" for path in sorted((ROOT / ".github/workflows").glob("*.yml"))]

PLANTED = [
    (SAM, "template.yaml", "AutoPublishAlias: live", "AutoPublishAlia: live", "AutoPublishAlia"),
    (CFN_LINT, "template.yaml", "MessageRetentionPeriod: 86400", "MessageRetentionPeriod: 86400000", "86400000"),
    (CFN_LINT, "template.yaml", "ReplicaBucketArn: !Ref", "Replica: !Ref", "Replica"),
    (CFN_LINT, "infra/database.yaml", "!GetAtt Instance.Endpoint.Address", "!GetAtt Instance.Address", "Address"),
    (CFN_LINT, "infra/storage.yaml", "Status: Enabled}", "Status: Of}", "Of"),
    (CFN_LINT, "infra/network.yaml", "VpcEndpointType: Gateway", "EndpointType: Gateway", "EndpointType"),
    (CFN_LINT, "infra/uptime.yaml", "Type: HTTPS", "Type: HTTPSS", "HTTPSS"),
    (CFN_LINT, "infra/replica.yaml", "!GetAtt Bucket.Arn", "!GetAtt Bucke.Arn", "Bucke"),
    (CFN_LINT, "infra/github.yaml", "!GetAtt StackRole.Arn", "!GetAtt StackRol.Arn", "StackRol"),
    (ZIZMOR, ".github/workflows/ci.yml", "pull_request:", "pull_request_target:", "dangerous-triggers"),
    (ZIZMOR, ".github/workflows/deploy-stage.yml", "$STAGE", "${{ inputs.stage }}", "template-injection"),
    (CHECKOV, "infra/storage.yaml", "BlockPublicPolicy: true", "BlockPublicPolicy: false", "CKV_AWS_54"),
    (CHECKOV, "infra/database.yaml", "PubliclyAccessible: false", "PubliclyAccessible: true", "CKV_AWS_17"),
]


def name(planted):
    tool, file, _, new, _ = planted
    return f"{tool[0].name}-{file}-{new.strip()}"


@pytest.mark.parametrize(("tool", "file", "old", "new", "named"), PLANTED, ids=map(name, PLANTED))
def test_the_tool_finds_it(tmp_path, tool, file, old, new, named):
    for each in [*TEMPLATES, *WORKFLOWS, "infra/checkov.yaml", "samconfig.toml"]:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / each, tmp_path / each)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(tool, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0, done.stdout + done.stderr
    assert named in done.stdout + done.stderr


def test_every_template_has_a_planted_fault():
    assert set(TEMPLATES) - {each[1] for each in PLANTED} == set()
