"""What is wrong with a program: all of it at once, each with a place and a way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing to mend (or, as a warning, to look at). `key` is the dotted place in the program."""

    key: str
    message: str
    suggestion: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    path: Path = ()
    code: str = "invalid"

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{place + ': ' if place else ''}{self.key + ': ' if self.key else ''}{self.message}{hint}"


class InvalidProgram(ValueError):
    """A program that cannot be built. `problems` has every reason."""

    def __init__(self, name: str, problems: Iterable[Problem]) -> None:
        self.name = name
        self.problems = tuple(problems)
        super().__init__(
            f"program {name} is not valid:\n" + "\n".join(f"  {problem}" for problem in self.problems)
        )


def dotted(path: Path) -> str:
    """`("tiers", 1, "rate")` as `tiers[2].rate`: people count from one."""
    out = ""
    for part in path:
        out += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def problem(path: Path, message: str, suggestion: str | None = None, code: str = "invalid") -> Problem:
    return Problem(dotted(path), message, suggestion, path=path, code=code)


def nearest(word: str, known: Sequence[str], tenths: int = 6) -> str | None:
    """The known word that `word` most looks like, by so many tenths; None when nothing is close."""
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=tenths / 10)
    return close[0] if close else None


def did_you_mean(word: str, known: Sequence[str]) -> str | None:
    """The nearest known word as a question."""
    close = nearest(word, known)
    return f'did you mean "{close}"?' if close else None
