"""`rebates init` and `rebates doctor`: the first two commands of a new installation."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import Exit, JsonFlag, emit, styled

if TYPE_CHECKING:
    from rich.console import Console

STANDARD_LINE = 'mapping = "standard"                   #'
OWN_LINE = 'mapping = "mapping.toml"               #'
COLORS = {"ok": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}


def register(app: typer.Typer) -> None:
    """Hang the commands on the tree."""
    app.command()(init)
    app.command()(doctor)


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write; made if it is not there.")] = Path("."),
    as_json: JsonFlag = False,
) -> None:
    """Write a commented rebates.toml, an own copy of the mapping which it names, and example programs. Overwrites nothing."""
    from jobs.example_files import example_configuration, example_programs
    from jobs.refusals import Unusable
    from mappings.file import standard_text

    target = folder / "rebates.toml"
    if target.exists():
        raise Unusable(f"{target} is there already", "edit it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    commented = example_configuration().read_text(encoding="utf-8")
    target.write_text(commented.replace(STANDARD_LINE, OWN_LINE), encoding="utf-8")
    written = [target]
    mapping = folder / "mapping.toml"
    if not mapping.exists():
        mapping.write_text(standard_text(), encoding="utf-8")
        written.append(mapping)
    (folder / "programs").mkdir(exist_ok=True)
    for example in sorted(example_programs().glob("*.toml")):
        own = folder / "programs" / example.name
        if not own.exists():
            shutil.copyfile(example, own)
            written.append(own)

    def human(console: Console) -> None:
        for path in written:
            console.print(f"wrote {path}")
        console.print("next: edit [org.production] in rebates.toml, then run `rebates doctor`")

    emit("init", {"written": written}, as_json=as_json, human=human)


def doctor(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Check everything a sync needs: configuration, store, mapping, programs, login, fields, fence. Exit 1 when one fails."""
    from cli.opening import opened
    from jobs.doctor import examine

    with opened(context, quiet=True, makes_store=False, login_again=True) as application:
        findings = examine(application)
    failed = [one for one in findings if one.level == "fail"]

    def human(console: Console) -> None:
        for one in findings:
            console.print(styled((f"{one.level:<4}", COLORS[one.level]), f" {one.check}: {one.said}"))
            if one.mend and one.level != "ok":
                console.print(f"     → {one.mend}")

    error = None
    if failed:
        error = {"code": "doctor", "message": f"{failed[0].check}: {failed[0].said}", "hint": failed[0].mend}
    emit(
        "doctor", {"findings": findings}, as_json=as_json, human=human,
        exit_code=Exit.FAILED if failed else Exit.OK, error=error,
    )  # fmt: skip
