"""What is wrong with a mapping: problems as values, with their place in the file, and how they are shown.

Codes: M0xx the file itself, M1xx pull against the org, M2xx warnings, M3xx push against the org.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from mappings.standard_fields import is_standard

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Place:
    """A stretch of one line of a file; line and column count from 1, length in characters."""

    file: str = ""
    key: str = ""  # dotted path in the file, "pull.account.fields.region"
    line: int = 1
    column: int = 1
    length: int = 1
    excerpt: str = ""  # the whole line

    def of(self, needle: str, start: int = 0) -> Place:
        """The narrower place of `needle` within this one (the same place when it is not on the line)."""
        begin = self.column - 1
        at = self.excerpt.find(needle, begin + start, begin + self.length) if needle else -1
        if at < 0:
            return self
        return replace(self, column=at + 1, length=len(needle))


@dataclass(frozen=True)
class Problem:
    """One finding: what is wrong, where, what to write instead (`help`), why it may be so (`note`)."""

    level: Level
    code: str
    message: str
    place: Place
    help: str | None = None
    note: str | None = None

    @property
    def sort_key(self) -> tuple[int, int, str, str]:
        return (self.place.line, self.place.column, self.code, self.message)

    @property
    def in_a_line(self) -> str:
        """What is wrong and what to do, without the place."""
        return self.message if self.help is None else f"{self.message} ({self.help})"

    @property
    def mend(self) -> str | None:
        """What to write instead and why it may be so, in one: a name that looks alike is only one of two ways out."""
        return "; or ".join(filter(None, (self.help, self.note))) or None

    def as_json(self) -> dict[str, str | int | None]:
        place = self.place
        return {
            "level": self.level,
            "code": self.code,
            "message": self.message,
            "file": place.file,
            "key": place.key,
            "line": place.line,
            "column": place.column,
            "length": place.length,
            "help": self.help,
            "note": self.note,
        }

    def render(self) -> str:
        """As a compiler would print it: the line of the file with carets below the culprit."""
        place = self.place
        gutter = max(4, len(str(place.line)))
        lines = [
            f"{self.level}[{self.code}]: {self.message}",
            f"  --> {place.file}:{place.line}:{place.column}",
        ]
        if place.excerpt.strip():
            under = "".join("\t" if c == "\t" else " " for c in place.excerpt[: place.column - 1])
            lines.append(f"{place.line:>{gutter}} | {place.excerpt}")
            lines.append(f"{'':>{gutter}} | {under}{'^' * max(1, place.length)}")
        if self.help:
            lines.append(f"{'':>{gutter}} = help: {self.help}")
        if self.note:
            lines.append(f"{'':>{gutter}} = note: {self.note}")
        return "\n".join(lines)


class MappingProblems(Exception):
    """A mapping that cannot be used. Carries every problem found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(in_order(problems))
        super().__init__(render(self.problems))


class Finder:
    """Collects problems, so that a reader can go on and find all of them.

    `known`: `Object.Field` of what was read or written before; such a field is there, whatever a user may see now.
    `unused`: by source (`payout.type`), words that it can have and does not come to under the programs in force.
    """

    def __init__(
        self, known: Collection[str] = (), unused: Mapping[str, Collection[str]] = MappingProxyType({})
    ) -> None:
        self.found: list[Problem] = []
        self.unused = unused
        self._known = frozenset(name.lower() for name in known)

    def is_there(self, object_name: str, field: str) -> bool:
        """Whether a field that cannot be seen is hidden rather than misspelled: then no other one was meant."""
        return f"{object_name}.{field}".lower() in self._known or is_standard(object_name, field)

    def error(
        self, code: str, message: str, place: Place, help: str | None = None, note: str | None = None
    ) -> None:
        self.found.append(Problem("error", code, message, place, help, note))

    def warning(
        self, code: str, message: str, place: Place, help: str | None = None, note: str | None = None
    ) -> None:
        self.found.append(Problem("warning", code, message, place, help, note))


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """By place in the file, each finding once."""
    return sorted(dict.fromkeys(problems), key=lambda p: p.sort_key)


def has_errors(problems: Iterable[Problem]) -> bool:
    return any(problem.level == "error" for problem in problems)


def summary(problems: Sequence[Problem]) -> str:
    """`2 errors, 1 warning`."""
    errors = sum(problem.level == "error" for problem in problems)
    warnings = len(problems) - errors
    return f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"


def render(problems: Sequence[Problem]) -> str:
    """All problems as text, with the count below."""
    return "\n\n".join([*(problem.render() for problem in problems), summary(problems)])


def nearest(word: str, names: Iterable[str], alike: Fraction = Fraction(3, 5)) -> str | None:
    """The name that was probably meant: without regard to letter case, `-` and `_`; None when none is near.

    `alike` is how near it must be, 1 for the same.
    """
    plain: dict[str, str] = {}
    for name in names:
        plain.setdefault(_plain(name), name)
    matcher = difflib.SequenceMatcher()
    matcher.set_seq2(_plain(word))
    best: tuple[Fraction, str] | None = None
    for name in sorted(plain):
        matcher.set_seq1(name)
        score = Fraction(matcher.ratio())
        if score >= alike and (best is None or score > best[0]):
            best = (score, name)
    return plain[best[1]] if best is not None else None


def did_you_mean(word: str, names: Iterable[str]) -> str | None:
    """`did you mean "region"?`, or the choices when there are few of them, or None."""
    choices = sorted(set(names))
    near = nearest(word, choices)
    if near is not None:
        return f'did you mean "{near}"?'
    if 0 < len(choices) <= 8:
        return "one of: " + ", ".join(choices)
    return None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
