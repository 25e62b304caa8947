"""What has to hold for every stage. A check takes a stage and gives its faults: sentences that name the resource.

Each is a function so that it can be shown to find what it is for: test_planted.py plants a fault for every one.
"""

import functools

CHECKS = {}


def check(function):
    """Registers a generator of faults as a check of its name."""

    @functools.wraps(function)
    def faults(stage):
        return list(function(stage))

    CHECKS[function.__name__] = faults
    return faults


from . import access, alarms, backups, deployers, environment, functions, lasting, metrics, network, releases, wiring  # noqa: E402, F401
