"""What lies in the folder of program files besides programs stops nobody."""

from __future__ import annotations

import pytest

from jobs.program_files import read_program_files
from tests.jobs.test_schedule import PROGRAM


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "care.toml").write_text(PROGRAM)
    return tmp_path


def test_a_file_that_cannot_be_read_is_one_broken_program_beside_the_others(folder):
    (folder / "gone.toml").symlink_to(folder / "nowhere.toml")
    (folder / "a-folder.toml").mkdir()
    found = read_program_files(folder)
    assert [program.key for program in found.programs] == ["care"]
    assert [path.name for path, _ in found.broken] == ["a-folder.toml", "gone.toml"]
    assert "cannot be read: No such file or directory" in str(found.broken[1][1][0])


def test_targets_that_cannot_be_read_make_their_program_a_broken_one(folder, monkeypatch):
    targets = folder / "care.targets.csv"
    targets.write_text("member,target\n")

    def refuse(path, *args):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("jobs.targets.read_targets", refuse)
    found = read_program_files(folder)
    ((_, (problem,)),) = found.broken
    assert (problem.file, problem.message) == (str(targets), "cannot be read: Permission denied")


def test_what_an_editor_leaves_beside_the_files_is_no_program(folder):
    (folder / ".#care.toml").symlink_to("me@host.1234:1")
    (folder / "._care.toml").write_bytes(b"\x00\x05\x16\x07")
    found = read_program_files(folder)
    assert ([program.key for program in found.programs], found.broken) == (["care"], ())
