"""What the templates' resources are called in the tests.

A role of the template speaks of `!GetAtt Inbox.Arn`; a test makes an inbox of its own, whose name ends in `-inbox`
(`testkit/src/queues.rs`, `testkit/src/secrets.rs`). Here one becomes the pattern of the other, narrow enough that a policy
for one kind of thing covers no other kind.
"""

import re

PLACE = "us-east-1:123456789012"


def _secret(kind):
    return f"arn:aws:secretsmanager:{PLACE}:secret:solo-os/test/{kind}/*"


NESTED = {
    "Storage.AssetsBucketArn": "arn:aws:s3:::test-*-assets",
    "Storage.BackupsBucketArn": "arn:aws:s3:::test-*-backups",
    "Storage.AppSecretArn": _secret("app"),
    "Database.AppLoginArn": _secret("app-login"),
    "Database.ReaderLoginArn": _secret("reader-login"),
    "Database.RestorerLoginArn": _secret("restorer-login"),
    "Database.MasterSecretArn": _secret("master-login"),
}


# The part of a bucket that its functions use. What they may do there they may do nowhere else in it.
PARTS = {"Storage.AssetsBucketArn": "spool/", "Storage.BackupsBucketArn": "database/"}


def _kebab(name):
    """`InboxDead` is `inbox-dead`."""
    return re.sub(r"(?<=.)([A-Z])", r"-\1", name).lower()


def patterns(stage):
    """`{what a template says: the ARN's pattern in the tests}`."""
    all_of = dict(NESTED)
    for name, resource in stage.root["Resources"].items():
        match resource["Type"]:
            case "AWS::SQS::Queue":
                all_of[f"{name}.Arn"] = f"arn:aws:sqs:{PLACE}:test-*-{_kebab(name)}"
            case "AWS::SNS::Topic":
                all_of[name] = f"arn:aws:sns:{PLACE}:test-*-{_kebab(name)}"
            case "AWS::Lambda::Function":
                all_of[f"{name}.Arn"] = f"arn:aws:lambda:{PLACE}:function:{resource['Properties']['FunctionName']}"
            case "AWS::Logs::LogGroup":
                all_of[f"{name}.Arn"] = f"arn:aws:logs:{PLACE}:log-group:{resource['Properties']['LogGroupName']}:*"
    return all_of


def samples(known):
    """`[(kind, an ARN of it)]`: one of everything, to see what a policy covers besides what it is for."""
    for name, pattern in known.items():
        arn = pattern.replace("*", "sample")
        if ":s3:::" in pattern:
            yield f"{name}/{PARTS[name]}", f"{arn}/{PARTS[name]}sample"
            yield f"{name}/", f"{arn}/sample"
            yield name, arn
        elif ":function:" in pattern:
            yield f"{name}:", f"{arn}:1"
            yield name, arn
        elif pattern.startswith("arn:"):
            yield name, arn


def kind_of(arn, known):
    """The kind of thing that this ARN is, in the words of `samples`. `None` when it is none of them."""
    for name, pattern in known.items():
        found = re.fullmatch(re.escape(pattern).replace(r"\*", "[^/]*") + r"([:/].*)?", arn)
        if found and ":s3:::" in pattern:
            rest = found[1] or ""
            part = f"/{PARTS[name]}"
            return name + (part if rest.startswith(part) else "/" if rest else "")
        if found and ":function:" in pattern:
            return name + (":" if found[1] else "")
        if found and found[1] is None:
            return name
    return None


def label(value):
    """A resource in a policy as a person reads it: `Inbox.Arn`, `Storage.AssetsBucketArn/spool/*`."""
    return _put(value, lambda name: name)


def pattern(value, known):
    """The same, as the tests call it."""

    def name_of(name):
        if name not in known:
            raise KeyError(f"{name}: say in infra/permissions/names.py what the tests call it")
        return known[name]

    return _put(value, name_of)


def _put(value, name_of):
    match value:
        case str():
            return value
        case {"Ref": name}:
            return name_of(name)
        case {"Fn::GetAtt": parts}:
            return name_of(_flat(".".join(parts)))
        case {"Fn::Sub": text} if isinstance(text, str):
            return re.sub(r"\$\{([\w.]+)\}", lambda found: name_of(_flat(found[1])), text)
    raise ValueError(f"{value} is not understood")


def _flat(name):
    return name.replace(".Outputs.", ".")
