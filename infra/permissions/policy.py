"""What a policy says of one call. Python's own library only: the emulator's Python reads this file too.

Deliberately absent: NotAction, NotResource, policy variables, and conditions that no role of ours has. `read` refuses them, so
that nothing is judged by half.
"""

import re

ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Condition"}


def like(pattern, text):
    """`*` is any number of characters, `?` is one."""
    parts = ({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


CONDITIONS = {
    "ArnEquals": like,
    "ArnLike": like,
    "StringLike": like,
    "StringEquals": lambda wanted, said: wanted == said,
}


def listed(value):
    return value if isinstance(value, list) else [value]


def read(document):
    """The statements. What is not understood is an error."""
    statements = listed(document["Statement"])
    for statement in statements:
        unknown = set(statement) - ELEMENTS | set(statement.get("Condition", {})) - set(CONDITIONS)
        missing = {"Effect", "Action", "Resource"} - set(statement)
        if unknown or missing or "${" in str(statement):
            raise ValueError(f"this statement is not understood: {statement}")
    return statements


def is_allowed(documents, action, resource, context):
    """Whether a call is allowed: by any statement, and denied by none. `context` is what conditions ask for."""
    effects = {
        statement["Effect"]
        for document in documents
        for statement in read(document)
        if covers(statement["Action"], statement["Resource"], action, resource) and _holds(statement, context)
    }
    return effects == {"Allow"}


def covers(actions, resources, action, resource):
    """Actions are the same in capitals, resources are not."""
    said = any(like(each.lower(), action.lower()) for each in listed(actions))
    return said and any(like(each, resource) for each in listed(resources))


def _holds(statement, context):
    return all(
        key in context and any(CONDITIONS[operator](each, context[key]) for each in listed(wanted))
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )
