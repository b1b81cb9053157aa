"""How results leave the program: one JSON object with `--json`, tables and sentences for people otherwise.

Results go to stdout, everything else (progress, warnings, errors) to stderr. Money is text in JSON, times are UTC.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.streams import takes_every_letter

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


WIDTH = 140  # of what goes into a pipe or a file, where no terminal says


class Exit(IntEnum):
    """Exit codes, the same for every command (`rebates --help` lists them)."""

    OK = 0
    FAILED = 1
    USAGE = 2  # usage, configuration, mapping or program
    REJECTED_ROWS = 3  # done, with rows set aside
    AUTHENTICATION = 4
    API_BUDGET = 5
    LOCKED = 6  # another run holds the lock
    INTERRUPTED = 130  # state saved


JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for programs.")]


def jsonable(value: Any) -> Any:
    """Plain JSON values: Decimal as text, dates ISO, instants UTC ISO with Z, durations in seconds, dataclasses as objects."""
    match value:
        case None | bool() | str() | int():
            return value.value if isinstance(value, Enum) else value
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return round(value.total_seconds(), 3)
        case Enum():
            return value.value
        case Path():
            return str(value)
        case Mapping():
            return {str(key): jsonable(item) for key, item in value.items()}
        case set() | frozenset():
            return sorted(jsonable(item) for item in value)
        case Sequence():
            return [jsonable(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            raise TypeError(
                f"{type(value).__name__} has no JSON form here"
            )  # float included: money has no float


def stdout() -> Console:
    """The console for results; plain and unwrapped when it is not a terminal."""
    from cli.consoles import Plain

    wide = None if sys.stdout.isatty() else WIDTH
    return Plain(soft_wrap=not sys.stdout.isatty(), width=wide)


def stderr() -> Console:
    """The console for progress, warnings and errors."""
    from cli.consoles import Plain

    return Plain(stderr=True, soft_wrap=not sys.stderr.isatty())


def styled(*parts: str | tuple[str, str]) -> Text:
    """One line of texts, each plain or with a style: `styled(("paused:", "bold yellow"), f" {reason}")`. None is markup."""
    from rich.text import Text

    from cli.consoles import visible

    return Text.assemble(
        *(visible(one) if isinstance(one, str) else (visible(one[0]), one[1]) for one in parts)
    )


def envelope(
    command: str,
    data: Any = None,
    *,
    warnings: Sequence[str] = (),
    error: Mapping[str, Any] | None = None,
) -> str:
    """The one object that `--json` prints."""
    body = {
        "schema": f"rebates.{command.replace(' ', '-')}/1",
        "ok": error is None,
        "data": jsonable(data),
        "warnings": list(warnings),
        "error": jsonable(error),
    }
    return json.dumps(body, ensure_ascii=not takes_every_letter(sys.stdout), indent=2)


def emit(
    command: str,
    data: Any,
    *,
    as_json: bool,
    human: Callable[[Console], None],
    warnings: Sequence[str] = (),
    exit_code: int = Exit.OK,
    error: Mapping[str, Any] | None = None,
) -> None:
    """Print one result and leave with `exit_code`.

    `error` is for results that are failures with data (a check that found problems): `{"code", "message", "hint"}`.
    """
    if as_json:
        sys.stdout.write(envelope(command, data, warnings=warnings, error=error) + "\n")
    else:
        human(stdout())
        for warning in warnings:
            stderr().print(styled(("warning:", "yellow"), f" {warning}"))
    if exit_code:
        raise typer.Exit(int(exit_code))


def emit_text(command: str, data: Any, text: str, *, as_json: bool) -> None:
    """A result that is a file of its own: bare, so that it can be redirected into one, or in the one object."""

    def human(console: Console) -> None:
        console.file.write(text)

    emit(command, data, as_json=as_json, human=human)
