"""The folder of program files: every valid program, and the problems of the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jobs.refusals import Unusable
from jobs.targets import beside, read_with_targets
from rebates import InvalidProgram, Program
from rebates.problems import Problem
from rebates.versions import in_order


@dataclass(frozen=True)
class ProgramFiles:
    """What a folder holds. `broken` is by file; a sync goes on with their last valid version, where there is one."""

    folder: Path
    programs: tuple[Program, ...]
    broken: tuple[tuple[Path, tuple[Problem, ...]], ...] = ()
    texts: Mapping[Path, str] = field(
        default_factory=dict
    )  # of the valid files, and of the targets beside them
    broken_texts: Mapping[Path, str] = field(default_factory=dict)  # of those that can be read at all

    def told(self, kept: Collection[str], outdated: Collection[str] = ()) -> list[str]:
        """One line a broken file, for people. `kept`: those of which the store has an earlier text that is valid;
        `outdated`: those of which it has one that was valid by the rules of its time."""
        return [
            f"{path.name} is not valid ({len(problems)} problem{'s' if len(problems) > 1 else ''}): "
            + (
                "its last valid version stays in force"
                if path.name in kept
                else "what it said was valid for an earlier version of ours; its program is refused, its standings and what "
                "was settled stay as they were"
                if path.name in outdated
                else "no valid version of it is known, so nothing counts by it"
            )
            + f"; see `rebates program check {path}`"
            for path, problems in self.broken
        ]


def read_program_files(folder: Path) -> ProgramFiles:
    """Read `*.toml` in name order. Files with one key are versions; two that begin on one day are refused."""
    if not folder.is_dir():
        raise Unusable(
            f"{folder}: there is no such folder of program files",
            'set programs = "FOLDER" in rebates.toml, or run `rebates init`',
        )
    programs: list[Program] = []
    broken: list[tuple[Path, tuple[Problem, ...]]] = []
    texts: dict[Path, str] = {}
    broken_texts: dict[Path, str] = {}
    for path in sorted(folder.glob("*.toml")):
        if path.name.startswith("."):
            continue  # an editor's lock or copy, which comes and goes
        try:
            programs.append(read_with_targets(path))
            texts[path] = path.read_text(encoding="utf-8")
            targets = beside(path)
            texts[targets] = targets.read_text("utf-8-sig") if targets.is_file() else ""
        except InvalidProgram as error:
            broken.append((path, error.problems))
            with suppress(OSError):
                broken_texts[path] = path.read_text("utf-8-sig", errors="replace")
        except OSError as error:  # a link to nowhere, no right to read it, a file that is just being replaced
            reason = f"cannot be read: {error.strerror or type(error).__name__}"
            hint = "is it a link to a file that is gone? may this user read it?"
            broken.append((path, (Problem("", reason, hint, str(error.filename or path)),)))
    _require_versions(folder, programs)
    return ProgramFiles(folder, tuple(programs), tuple(broken), texts, broken_texts)


def _require_versions(folder: Path, programs: list[Program]) -> None:
    """Files with one key are versions of one program, each from its own day on."""
    by_key: dict[str, list[Program]] = {}
    for program in programs:
        by_key.setdefault(program.key, []).append(program)
    for key, family in by_key.items():
        try:
            in_order(family)
        except InvalidProgram as error:
            raise Unusable(
                f"two program files in {folder} have the key {key}: {error.problems[0].message}",
                "a key names one program: change one, or make it a version with its own effective_from",
            ) from None
