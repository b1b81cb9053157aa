"""The examples that ship: program files and the commented configuration."""

from __future__ import annotations

from pathlib import Path

from jobs.refusals import Unusable

HERE = Path(__file__).parent


def example_programs() -> Path:
    """The folder of example programs."""
    return _first(HERE / "examples" / "programs", HERE.parent / "programs")


def example_configuration() -> Path:
    """config.example.toml."""
    return _first(HERE / "examples" / "config.example.toml", HERE.parent / "config.example.toml")


def _first(*places: Path) -> Path:
    for place in places:
        if place.exists():
            return place
    raise Unusable("the examples are not installed with this program", "install rebate-sync again")
