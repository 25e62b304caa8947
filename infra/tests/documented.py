"""The commands that the documents tell people to type: what stands in blocks of `sh`."""

import re
import shlex
from dataclasses import dataclass

from stage import ROOT

DOCUMENTS = ("README.md", "docs/runbook.md", "docs/deploying.md", "docs/backups.md", "docs/flags.md", "docs/providers.md")
# What a reader fills in: <stack>, <the first of the month>. It becomes one word.
BLANK = re.compile(r"<([a-zA-Z0-9 .,:'-]+)>")


@dataclass(frozen=True)
class Command:
    where: str
    words: tuple

    def __str__(self):
        return f"{self.where}: {' '.join(self.words)}"


def documented():
    return [command for name in DOCUMENTS for command in commands(name, (ROOT / name).read_text())]


def commands(name, text):
    """Each command of each line, without its comment. A line that ends with a backslash goes on."""
    for block in re.finditer(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        first = text.count("\n", 0, block.start()) + 2
        for number, line in joined(block[1], first):
            filled = BLANK.sub(lambda blank: blank[1].replace(" ", "-").replace("'", ""), line)
            words = shlex.split(filled, comments=True)
            for part in cut(words):
                yield Command(f"{name}:{number}", tuple(part))


def joined(block, first):
    held, start = "", first
    for number, line in enumerate(block.splitlines(), first):
        held, start = (held + line, start) if held else (line, number)
        if held.endswith("\\"):
            held = held[:-1].rstrip() + " "
            continue
        if held.strip():
            yield start, held.strip()
        held = ""


def cut(words):
    """A line of several commands: with `|`, `&&` or a `;` that ends a word."""
    part = []
    for word in words:
        if word in ("|", "&&", ";"):
            yield part
            part = []
        elif word.endswith(";") and "=" not in word:
            yield [*part, word[:-1]]
            part = []
        else:
            part.append(word)
    if part:
        yield part


def entries(text):
    """The entries of a page: the heading, what is seen, the commands, and whether it says what to expect of them."""
    for part in re.split(r"\n(?=## )", text)[1:]:
        name, _, body = part.partition("\n")
        languages = re.findall(r"^```(\w*)$", body, re.MULTILINE)[::2]
        expected = "Expected:" in body or "" in languages
        yield name.removeprefix("## ").strip(), "Symptom:" in body, "sh" in languages, expected
