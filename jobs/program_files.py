"""The folder of program files: every valid program, and the problems of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jobs.refusals import Unusable
from rebates import InvalidProgram, Program, read_program
from rebates.problems import Problem


@dataclass(frozen=True)
class ProgramFiles:
    """What a folder holds. `broken` is by file; a sync goes on with their last valid version."""

    folder: Path
    programs: tuple[Program, ...]
    broken: tuple[tuple[Path, tuple[Problem, ...]], ...] = ()
    texts: Mapping[Path, str] = field(default_factory=dict)  # of the valid files

    @property
    def warnings(self) -> list[str]:
        """One line a broken file, for people."""
        return [
            f"{path.name} is not valid ({len(problems)} problem{'s' if len(problems) > 1 else ''}): its last valid version "
            f"stays in force; see `rebates program check {path}`"
            for path, problems in self.broken
        ]


def read_program_files(folder: Path) -> ProgramFiles:
    """Read `*.toml` in name order. Two files with one key are refused: neither could be meant."""
    if not folder.is_dir():
        raise Unusable(
            f"{folder}: there is no such folder of program files",
            'set programs = "FOLDER" in rebates.toml, or run `rebates init`',
        )
    programs: list[Program] = []
    broken: list[tuple[Path, tuple[Problem, ...]]] = []
    texts: dict[Path, str] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            programs.append(read_program(path))
            texts[path] = path.read_text(encoding="utf-8")
        except InvalidProgram as error:
            broken.append((path, error.problems))
    keys = [program.key for program in programs]
    doubled = sorted({key for key in keys if keys.count(key) > 1})
    if doubled:
        raise Unusable(
            f"two program files in {folder} have the key {', '.join(doubled)}",
            "a key names one program: change one, or join the two as versions",
        )
    return ProgramFiles(folder, tuple(programs), tuple(broken), texts)
