"""What a long job says of itself while it works; the command line draws it, the scheduler logs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Step(Protocol):
    """One running step. Unknown totals are None."""

    def advance(self, rows: int = 1) -> None: ...
    def total(self, rows: int | None) -> None: ...


class Progress(Protocol):
    """Hears of each step as it starts; the step ends with the block."""

    def step(self, name: str, total: int | None = None) -> AbstractContextManager[Step]: ...


class _Nothing:
    def advance(self, rows: int = 1) -> None:
        """Nobody watches."""

    def total(self, rows: int | None) -> None:
        """Nobody watches."""


class Silent:
    """Nobody watches."""

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        yield _Nothing()
