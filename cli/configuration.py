"""`rebates config show`: the settings in force, and where each came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import JsonFlag, emit, styled

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(help="The configuration in force.", no_args_is_help=True)


@app.command()
def show(
    context: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value came from.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Every setting in force. Secrets are references (env:, file:, keyring:), and the password in a database URL is hidden."""
    from cli.opening import configuration_of

    found = configuration_of(context)
    rows: dict[str, Any] = dict(_flat(found.settings.model_dump(mode="python")))
    origins = {key: found.origins.get(key, "default") for key in rows}
    data = {
        "files": list(found.files),
        "settings": [
            {"key": key, "value": _shown(value, key), **({"origin": origins[key]} if origin else {})}
            for key, value in rows.items()
        ],
    }

    def human(console: Console) -> None:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("setting", "value", *(["from"] if origin else [])):
            table.add_column(title, overflow="fold")
        for key, value in rows.items():
            table.add_row(
                key,
                str(_shown(value, key)) if value is not None else styled(("not set", "dim")),
                *([origins[key]] if origin else []),
            )
        console.print(table)

    emit("config show", data, as_json=as_json, human=human)


def _flat(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", value))
    return rows


def _shown(value: Any, key: str = "") -> str | None:
    from datetime import timedelta

    if value is None:
        return None
    if key == "state.url":
        from state.urls import shown_text

        return shown_text(value)
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
            if seconds % size == 0:
                return f"{seconds // size}{unit}"
        return f"{seconds}s"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
