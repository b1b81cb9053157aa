"""Targets and baselines beside a program: `retail.toml` has them in `retail.targets.csv`, in the columns of `--targets`.

They are a part of the program's terms: a changed file is a new version, and a file that cannot be read makes the
program invalid, so that its last valid version stays in force.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jobs.refusals import Unusable
from jobs.trial_files import read_targets
from rebates import InvalidProgram, Program, parse_program, read_program
from rebates.problems import Problem


def beside(program_file: Path) -> Path:
    """Where the targets of a program file are."""
    return program_file.with_suffix(".targets.csv")


def read_with_targets(path: Path) -> Program:
    """A program file with the targets beside it; raises `InvalidProgram` with the problems of both."""
    program, targets = read_program(path), beside(path)
    return with_targets(program, targets) if targets.is_file() else program


def parse_with_targets(text: str, name: str, targets: str) -> Program:
    """The same from texts that were kept; `targets` may be empty."""
    program = parse_program(text, name)
    return with_targets(program, beside(Path(name)), targets) if targets else program


def with_targets(program: Program, file: Path, text: str | None = None) -> Program:
    """A program that knows the targets of a file (or of the text that the file had)."""
    try:
        given, aside = read_targets(file, text)
    except Unusable as error:
        raise InvalidProgram(program.key, [Problem("", str(error), file=str(file))]) from None
    problems = [Problem(one.field, one.reason, file=str(file), line=one.line) for one in aside]
    keys = [period.key for period in program.periods()]
    for unknown in sorted({one.period for one in given if one.period is not None} - set(keys)):
        hint = f"its periods: {', '.join(keys[:4])}{' …' if len(keys) > 4 else ''}"
        problems.append(Problem("period", f"the program has no period {unknown!r}", hint, str(file)))
    if problems:
        raise InvalidProgram(program.key, problems)
    return replace(program, given=tuple(given))
