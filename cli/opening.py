"""Opens what a command needs from the root options: configuration, clock, store, org."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from jobs.app import App
    from jobs.configuration import Configuration


def configuration_of(context: typer.Context, flags: dict[str, Any] | None = None) -> Configuration:
    """The configuration that this command line asks for."""
    from jobs.configuration import load_configuration

    root = context.find_root().obj or {}
    return load_configuration(
        explicit=Path(root["config"]) if root.get("config") else None,
        start=Path.cwd(),
        environment=os.environ,
        flags={"default_org": root.get("org"), **(flags or {})},
    )


@contextmanager
def opened(
    context: typer.Context,
    *,
    quiet: bool = False,
    reads_store: bool = False,
    makes_store: bool = True,
    login_again: bool = False,
    any_version: bool = False,
) -> Iterator[App]:
    """The application, closed again whatever happens; progress goes to stderr unless `quiet`.

    `reads_store`: the command only looks, so a store that is not there yet is said, not made. Without `makes_store`
    it does not need one either. `any_version`: the tables may be those of another version. Whatever logs in minds the pause after a refused login, unless `login_again`.
    """
    from cli.progress import progress_for
    from jobs.app import App
    from jobs.clock import system_clock, system_rng
    from jobs.login_pause import minding_the_login
    from jobs.logs import configure_logging

    configuration = configuration_of(context)
    configure_logging(configuration.settings.logging)
    if reads_store:
        _require_store(configuration.settings.state.url)
    with (
        progress_for(quiet=quiet) as progress,
        App.build(configuration, clock=system_clock(), rng=system_rng(), progress=progress) as app,
    ):
        app.makes_store = makes_store and not reads_store
        app.login_again = login_again
        app.any_version = any_version
        with minding_the_login(app, at_once=False):
            yield app


def _require_store(url: str) -> None:
    from jobs.refusals import Unusable
    from state.urls import file_of

    file = file_of(url)
    if file is not None and not file.exists():
        raise Unusable(
            f"there is no store yet at {file}",
            "`rebates sync` makes it; see also `rebates config show --origin`",
        )
