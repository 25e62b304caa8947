"""What is wrong with a role, after the tests ran under it."""

from collections import Counter
from dataclasses import dataclass

from . import names
from .policy import covers, is_allowed


# What a function bears on purpose. S3 tells only those who may list a bucket that an object is missing. Who writes backups may not: a
# look for one whose upload failed is refused, and that is answer enough.
BORNE = {("Backup", "s3:ListBucket")}


@dataclass(frozen=True)
class Call:
    """What the emulator wrote down of one call."""

    action: str
    resource: str
    allowed: bool


def rows(role, calls):
    """`[(entry, how often a call was allowed by it)]`, of what the role allows."""
    made = Counter(call for call in calls if call.allowed)
    return [
        (entry, sum(count for call, count in made.items() if _is_of(entry, call.action, call.resource)))
        for entry in role.entries
        if entry.effect == "Allow"
    ]


def faults(role, calls, known):
    """Sentences. None when the role is enough and no more."""
    yield from _denied(role, calls)
    yield from _unused(role, calls)
    yield from _too_wide(role, calls, known)
    yield from _missing(role, known)


def _is_of(entry, action, resource):
    return covers(entry.action, entry.arn, action, resource)


def _denied(role, calls):
    """Even where a test passes all the same: a function may bear a call that fails."""
    borne = {action for function, action in BORNE if function == role.function}
    refused = Counter((call.action, call.resource) for call in calls if not call.allowed and call.action not in borne)
    for (action, resource), count in sorted(refused.items()):
        times = "once" if count == 1 else f"{count} times"
        yield f"{role.function} was denied {action} on {resource} ({times})"


def _unused(role, calls):
    for entry, count in rows(role, calls):
        if not count and (entry.action, entry.resource) not in role.of_lambda:
            yield f"{role.function} may do {entry.action} on {entry.resource} ({entry.policy}), and no test does"


def _too_wide(role, calls, known):
    """What an entry allows besides what it is used for. Seen by one of each thing that there is."""
    for entry, count in rows(role, calls):
        if "*" in entry.action or "?" in entry.action:
            yield f"{role.function} may do {entry.action} ({entry.policy}): name the actions"
        if not count:
            continue
        used = {names.kind_of(call.resource, known) for call in calls if _is_of(entry, call.action, call.resource)}
        service = entry.action.split(":")[0]
        for kind, arn in names.samples(known):
            of_service = arn.split(":")[2] == service
            if of_service and kind not in used and _fits(entry.action, arn) and _is_of(entry, entry.action, arn):
                yield f"{role.function} may do {entry.action} on {kind} by {entry.resource} ({entry.policy}), and no test does"


def _fits(action, arn):
    """In S3, an action is one on buckets or one on objects."""
    return ":s3:::" not in arn or action.endswith(("Object", "MultipartUpload")) == ("/" in arn)


def _missing(role, known):
    """What Lambda needs in the role's name."""
    for (action, resource), why in role.of_lambda.items():
        arn = "*" if resource == "*" else known[resource]
        # In Lambda's own calls there is no function that they come from.
        if not is_allowed(role.documents.values(), action, arn.replace("*", "sample"), {}):
            yield f"{role.function} may not do {action} on {resource}, which Lambda needs for {why}"
