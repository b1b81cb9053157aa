"""How far each stream has been read. A watermark moves only in the transaction that saves the rows it covers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from state.dialects import keep_newest
from state.instants import micros, moment
from state.tables.running import watermarks

# Asked and moved for every stream of every run: built once.
_ALL = select(watermarks).order_by(watermarks.c.stream)
_ONE = select(watermarks).where(watermarks.c.stream == bindparam("name"))


@dataclass(frozen=True)
class Watermark:
    """Everything stamped in `[floor, ceiling)` was read by the last pull; the next one starts from `ceiling`."""

    stream: str
    floor: datetime
    ceiling: datetime
    run_pk: int | None
    moved_at: datetime


class WatermarkMovedBack(ValueError):
    """A watermark only grows; going back is a deliberate `reset`."""


def read(tx: Connection, stream: str) -> Watermark | None:
    """The watermark of a stream; None: it was never read."""
    row = tx.execute(_ONE, {"name": stream}).one_or_none()
    return None if row is None else _made(row)


def read_all(tx: Connection) -> list[Watermark]:
    return [_made(row) for row in tx.execute(_ALL)]


def advance(
    tx: Connection,
    stream: str,
    *,
    floor: datetime,
    ceiling: datetime,
    now: datetime,
    run_pk: int | None = None,
) -> None:
    """Move a watermark, in the transaction that applied the rows. Raises `WatermarkMovedBack`."""
    if floor > ceiling:
        raise ValueError(f"{stream}: the window from {floor} to {ceiling} runs backward")
    before = read(tx, stream)
    if before is not None and ceiling < before.ceiling:
        raise WatermarkMovedBack(f"{stream}: {before.ceiling} was read already, {ceiling} is earlier")
    values = {"floor": micros(floor), "ceiling": micros(ceiling), "run_pk": run_pk, "moved_at": micros(now)}
    tx.execute(keep_newest(tx.dialect.name, watermarks), {"stream": stream, **values})


def reset(tx: Connection, stream: str) -> bool:
    """Forget a watermark: the stream is read again from the beginning. Returns whether there was one."""
    return tx.execute(delete(watermarks).where(watermarks.c.stream == stream)).rowcount > 0


def _made(row: object) -> Watermark:
    return Watermark(row.stream, moment(row.floor), moment(row.ceiling), row.run_pk, moment(row.moved_at))  # type: ignore[attr-defined]
