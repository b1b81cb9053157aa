"""Our tasks as the org has them, asked for by id or by key: never all tasks of an org, which may be millions.

Up to five slices go in one call, so a thousand tasks cost one. `jobs.rebase` alone looks through all of them, after a
restore and with a new store, because it cannot know what to ask for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from connector import limits
from connector.port import Page
from jobs.app import App
from mappings import soql
from mappings.model import PushTarget

AT_ONCE = 200  # of ids or keys in one query: with 29 characters each, far below what an address may have
KEY_NOT_READ = ""  # of a task whose key a person took away


@dataclass(frozen=True)
class TaskState:
    """A task as the org has it, from its recycle bin and archive too."""

    key: str
    sf_id: str
    owner_id: str | None
    created_by: str | None
    is_closed: bool
    is_deleted: bool
    status: str | None
    last_by_us: bool = False  # nobody else saved it since we did

    @property
    def is_over(self) -> bool:
        return self.is_closed or self.is_deleted

    def was_closed_by_us(self, wrote: str) -> bool:
        """Whether it was our own write that closed it, whose answer we never heard: a person's would bear a person's name."""
        return self.is_closed and not self.is_deleted and self.last_by_us and self.status == wrote

    def given_away_from(self, owner_id: str | None) -> bool:
        """Whether somebody else has it than the one we gave it to (our own user, when we named nobody)."""
        return self.owner_id != (owner_id or self.created_by)


def by_id(app: App, target: PushTarget, ids: Sequence[str]) -> Iterator[TaskState]:
    """Those of some record ids that the org has or had."""
    return _states(app, target, "Id", ids, soql.record_id)


def by_key(app: App, target: PushTarget, keys: Sequence[str]) -> Iterator[TaskState]:
    """Those of some keys that the org has or had."""
    return _states(app, target, str(target.match), keys, soql.text)


def _states(
    app: App, target: PushTarget, asked: str, values: Sequence[str], literal: Callable[[str], str]
) -> Iterator[TaskState]:
    columns = (
        "Id", str(target.match), "OwnerId", "CreatedById", "IsClosed", "IsDeleted", "Status", "LastModifiedById",
    )  # fmt: skip
    us = getattr(app.org, "user_id", None)
    queries = [
        f"SELECT {', '.join(columns)} FROM {target.object} WHERE {asked} IN ({','.join(map(literal, some))})"
        for some in _slices(values, AT_ONCE)
    ]
    for few in _slices(queries, limits.COMPOSITE_QUERIES):
        for page in _pages(app, few):
            for sf_id, key, owner, created_by, closed, deleted, status, saved_by in zip(
                *(page.table.column(name).to_pylist() for name in columns), strict=True
            ):
                yield TaskState(
                    key or KEY_NOT_READ, sf_id, owner, created_by, closed == "true", deleted == "true", status,
                    saved_by is not None and saved_by in (us, created_by),
                )  # fmt: skip
            app.pace.attend()


def _pages(app: App, queries: Sequence[str]) -> Iterator[Page]:
    """One call for all of them, and what does not fit into their first pages."""
    if len(queries) == 1:
        yield from app.org.query(queries[0], include_deleted=True)
        return
    for query, page in zip(queries, app.org.poll(queries), strict=True):
        yield page
        if page.locator is not None:
            yield from app.org.query(query, include_deleted=True, locator=page.locator)


def _slices(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def is_reassigned(document: str) -> bool:
    """Whether a person gave the task to somebody; we then leave its owner alone."""
    return bool(json.loads(document).get("reassigned"))


def reassigned(document: str) -> str:
    """The same note with that written down."""
    return json.dumps({**json.loads(document), "reassigned": True}, sort_keys=True)
