"""Which engine computes from scratch, and keeping the copy of the facts that it reads up to date."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from jobs.app import App
from jobs.refusals import Unusable
from state.engines import IN_THE_STORE, Engine
from state.snapshot import Refreshed, Snapshot

LIBRARIES = {"duckdb": ("duckdb", "sqlglot"), "spark": ("pyspark", "sqlglot")}


def engine_of(app: App) -> Engine:
    """The engine that was asked for, or the configured one. Raises Unusable when its library is not installed."""
    name, settings = engine_name(app), app.settings.engine
    if name == "sql":
        return IN_THE_STORE
    missing = [library for library in LIBRARIES[name] if find_spec(library) is None]
    if missing:
        raise Unusable(
            f"the engine {name} needs {' and '.join(missing)}, which is not installed here",
            f"pip install 'rebate-sync[{name}]', or let the store compute: --engine sql",
        )
    if name == "duckdb":
        from state.engines.duck import Duck

        return Duck(snapshot_of(app), settings.memory)
    from state.engines.spark import Spark

    return Spark(snapshot_of(app), settings.spark, settings.options)


def engine_name(app: App) -> str:
    return app.engine or app.settings.engine.use


def snapshot_of(app: App) -> Snapshot:
    """The copy of the facts: where the configuration says, otherwise beside the store's file."""
    folder, file = app.settings.engine.snapshot, app.store.path
    if folder is None and file is None:
        raise Unusable(
            "a store on a server has no folder beside it for a snapshot",
            "[engine] snapshot = …, a folder that every process which computes can see",
        )
    return Snapshot(folder or _beside(file or Path()), now=app.clock.now())


def keep_snapshot(app: App, beat: Callable[[], None] = lambda: None) -> Refreshed:
    """Write again what changed since the last time; `beat` is called after each part."""
    with app.progress.step("snapshot") as step:

        def said(parts: int) -> None:
            step.advance(parts)
            beat()

        return snapshot_of(app).refresh(app.store, said=said)


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.stem}.snapshot")
