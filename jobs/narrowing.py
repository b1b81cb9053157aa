"""A query that is too much for the org is cut: windows of SystemModstamp with at most half of the rows each.

The org counts (one API call a cut), so that the halves are halves of the rows and not of the years. What is small
enough is read in REST pages, the rest by bulk jobs again. An org that gives up job after job is not asked for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from connector import choose, errors
from connector.port import Page
from mappings import soql
from mappings.model import PullEntity
from mappings.soql import Window

if TYPE_CHECKING:
    from jobs.app import App

log = structlog.get_logger()

EARLIEST = datetime(1999, 1, 1, tzinfo=UTC)  # before the first record of any org
SHORTEST = timedelta(seconds=1)  # a window that cannot be cut: keyset pages read it whatever it holds
JOBS_LOST_MAX = 12  # failed jobs of one entity in one run


@dataclass(frozen=True)
class Piece:
    """A part of a window and how many rows it has; None: the org could not count them in time."""

    window: Window
    rows: int | None

    @property
    def may_be_cut(self) -> bool:
        assert self.window.until is not None
        return self.window.until - (self.window.since or EARLIEST) > SHORTEST


def cut(app: App, entity: PullEntity, window: Window, most: int | None = None) -> list[Piece]:
    """The pieces of a window with at most `most` rows each (left out: half of what it has), oldest first; those without
    rows are left out."""
    (total,) = _count(app, entity, [window])
    if most is None and total is not None:
        most = total // 2
    whole = Piece(window, total)
    if total == 0:
        return []
    if total is not None and most is not None and total <= most:
        return [whole]
    todo, done = [whole], list[Piece]()
    while todo:
        one = todo.pop()
        halves = _halves(one.window) if one.may_be_cut else []
        for half, rows in zip(halves, _count(app, entity, halves), strict=True):
            piece = Piece(half, rows)
            if rows is None or most is None:  # half of the time at least; cut again if that is too much
                done.append(piece)
            elif rows > 0:
                (todo if rows > most else done).append(piece)
        if not halves:
            done.append(one)
    return sorted(done, key=lambda piece: piece.window.since or EARLIEST)


def fits_pages(app: App, piece: Piece) -> bool:
    """Whether a piece is read in REST pages: because it is small, or because nothing smaller can be made of it."""
    if not piece.may_be_cut:
        return True
    return piece.rows is not None and choose.choose_read(piece.rows, app.org.usage.budget_left) == "rest"


def affordable(app: App, rows: int | None) -> bool:
    """Whether REST pages of so many rows leave at least half of the calls that our share still has."""
    left = app.org.usage.budget_left
    return rows is not None and (left is None or choose.calls_to_read(rows, "rest") <= left // 2)


def rows_of(app: App, entity: PullEntity, window: Window) -> int | None:
    """Rows of a window; None where counting took too long."""
    return _count(app, entity, [window])[0]


def given_up(entity: PullEntity, lost: int) -> errors.BulkJobFailed:
    """Job after job failed: it is not the size."""
    return errors.BulkJobFailed(
        "JOBS_KEEP_FAILING", job_id="(several)", sobject=entity.object,
        detail=f"{lost} bulk queries in smaller and smaller windows ended as Failed or Aborted; nothing of it was applied",
    )  # fmt: skip


def read_rows(app: App, query: str, expected: int, *, deleted: bool) -> Iterator[Page]:
    """All rows of a query about our own records, of which there should be so many: by a bulk job where they are many."""
    if choose.choose_read(expected, app.org.usage.budget_left) == "bulk":
        try:
            yield from app.org.bulk_query(query, include_deleted=deleted)
            return
        except errors.QuotaReached as error:
            _require_pages_instead(app, expected, error)
    yield from app.org.query(query, include_deleted=deleted)


def read_in_pieces(
    app: App, entity: PullEntity, window: Window, ask: Callable[[Window, bool], str]
) -> Iterator[Page]:
    """Pages by bulk query, cut where the org gives up; in REST pages where it takes no more jobs today. `ask(window, ordered)`
    makes the query."""
    todo, lost = [Piece(window, None)], 0
    while todo:
        piece = todo.pop(0)
        try:
            yield from app.org.bulk_query(ask(piece.window, False), include_deleted=True)
            continue
        except errors.WindowTooWide as error:
            lost += 1
            log.warning("bulk.narrowed", entity=entity.entity, code=error.code, lost=lost)
            if lost > JOBS_LOST_MAX:
                raise given_up(entity, lost) from error
        except errors.QuotaReached as error:
            rows = piece.rows if piece.rows is not None else rows_of(app, entity, piece.window)
            _require_pages_instead(app, rows, error)
            yield from app.org.query(ask(piece.window, True), include_deleted=True)
            continue
        smaller = cut(app, entity, piece.window)
        for one in smaller:
            if fits_pages(app, one):
                yield from app.org.query(ask(one.window, True), include_deleted=True)
        todo = [*(one for one in smaller if not fits_pages(app, one)), *todo]


def _require_pages_instead(app: App, rows: int | None, error: errors.QuotaReached) -> None:
    """Whether REST pages may do what a bulk job was refused for: where the org takes no more of them today, unless so many
    rows cost too many of the calls left. Raises `error`."""
    if not errors.is_bulk_quota(error) or not affordable(app, rows):
        raise error
    log.warning("bulk.read_in_pages", code=error.code, rows=rows)


def _halves(window: Window) -> list[Window]:
    assert window.until is not None
    since = window.since or EARLIEST
    middle = since + (window.until - since) / 2
    middle -= timedelta(microseconds=middle.microsecond % 1000)  # what SOQL can say
    return [Window(window.since, middle), Window(middle, window.until)]


def _count(app: App, entity: PullEntity, windows: list[Window]) -> list[int | None]:
    """Rows of each window, in one call; None where counting took too long."""
    if not windows:
        return []
    try:
        pages = app.org.poll([soql.count(entity, window) for window in windows])
    except errors.Transient as error:
        told = isinstance(error, errors.WindowLost) and error.at is not None
        if not told and not errors.is_too_much(error):
            raise
        log.warning("bulk.not_counted", entity=entity.entity, code=error.code)
        return [None for _ in windows]
    return [page.total or 0 for page in pages]
