"""Each function gets the variables that its code asks for, and no others."""

import functools
import re

import stage as stages

from . import check

# Not every function reads it: with it a function differs from release to release, and so a version of it can be published.
UNREAD = {"RELEASE"}
# One program, three functions: what the code takes when it is there, and which of them it is for.
OF_JOBS = {
    "Backup": {"BACKUPS_BUCKET", "READER_LOGIN_SECRET_ID"},
    "Prune": {"BACKUPS_BUCKET"},
    "Drill": {"BACKUPS_BUCKET", "RESTORER_LOGIN_SECRET_ID", "DATABASE_STORAGE_GB"},
}
NAME = r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"'


@check
def environment(stage):
    for name, function in stage.functions.items():
        binary = function["Metadata"]["BuildProperties"]["Binary"]
        required, known = asked_by(binary)
        if not known and not (stages.ROOT / "functions" / binary).exists():
            yield f"{name} is built from functions/{binary}, which does not exist"
            continue
        given = set(stages.environment(stage, name))
        of_jobs = set().union(*OF_JOBS.values()) if name in OF_JOBS else set()
        wanted = OF_JOBS.get(name, set())
        for variable in sorted((of_jobs - wanted) & given):
            yield f"{name} gets {variable}, which is for another function of the same program"
        for variable in sorted((required - of_jobs | wanted) - given):
            yield f"{name} needs {variable}, and does not get it"
        for variable in sorted(given - known - UNREAD):
            if not variable.startswith("AWS_"):
                yield f"{name} gets {variable}, which nothing in functions/{binary} reads"


@functools.cache
def asked_by(binary):
    """`(required, known)`: the variables that the function's code names, by its own and by what it takes from others."""
    folder = stages.ROOT / "functions" / binary / "src"
    text = "".join(_code(path) for path in sorted(folder.rglob("*.rs")))
    # `use shared::{config::{..., Config, ...}}`; courier has one of its own.
    if re.search(r"use shared::[^;]*\bconfig::(?:Config\b|\{[^}]*\bConfig\b)", text):
        text += "".join(_code(stages.ROOT / "shared/src/config" / file) for file in ("mod.rs", "file.rs"))
    if "app::Settings" in text:
        text += "".join(_code(path) for path in sorted((stages.ROOT / "app/src").rglob("*.rs")))
    if re.search(r"\bjobs::(?:Settings\b|\{[^}]*\bSettings\b)", text):
        text += _code(stages.ROOT / "shared/src/jobs/platform.rs")
    if "DatabaseConfig::read(" in text:
        text += _own_database()
    required = set(re.findall(r"\.required\(\s*" + NAME, text))
    for pair in re.findall(rf"read_as\(\s*{NAME},\s*{NAME}", text):
        required |= set(pair)
    return required, set(re.findall(NAME, text))


def _own_database():
    """The one line of shared's configuration that such a function uses."""
    return re.search(rf"Self::read_as\(\s*{NAME},\s*{NAME}", _code(stages.ROOT / "shared/src/config/mod.rs"))[0]


def _code(path):
    """A file without its tests."""
    return path.read_text().split("#[cfg(test)]")[0]
