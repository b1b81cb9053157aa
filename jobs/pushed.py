"""What came of a push, counted: by whoever sends, over every try, and added up over the processes that share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from connector import errors
from jobs import batch_sizes

_COUNTS = ("done", "superseded", "overtaken", "quarantined")


@dataclass
class Pushed:
    """What became of the rows: sent and confirmed, put off, set aside; and what stopped, with its reason."""

    done: int = 0
    superseded: int = 0
    overtaken: int = 0  # refused by the org: it holds newer numbers than this store ever gave out
    quarantined: int = 0
    put_off: set[int] = field(default_factory=set)  # rows that were put off and not settled since
    put_off_elsewhere: int = 0  # by the other processes
    by_object: dict[str, int] = field(default_factory=dict)
    refused: list[tuple[str, str, str]] = field(default_factory=list)  # (object, code, account id)
    stopped: dict[str, errors.SyncError] = field(default_factory=dict)
    # By object, what the org was too long at: (records of one request, seconds without an answer, records since).
    slow: dict[str, tuple[int, float, int]] = field(default_factory=dict)

    @property
    def retrying(self) -> int:
        """Still to be sent when the push ended: not what a second try brought there, and each row once."""
        return len(self.put_off) + self.put_off_elsewhere

    @property
    def warnings(self) -> list[str]:
        """What a person should know although nothing is broken."""
        slow = batch_sizes.told(self.slow)
        if not self.overtaken or "push" in self.stopped:
            return slow
        many = "1 write was" if self.overtaken == 1 else f"{self.overtaken:,} writes were"
        return [
            *slow,
            f"{many} refused, or kept back, because the org holds newer numbers than this store ever gave out: the database "
            "lost its last commits (a failover, an older copy put back), or another store writes to this org (stop it first). "
            "Nothing more was sent. The next sync reads what the org knows and "
            "sends them again; at once: rebates sync, then: rebates verify --deep",
        ]

    def confirmed(self, object_name: str, rows: int) -> None:
        """So many rows of an object arrived."""
        if rows:
            self.done += rows
            self.by_object[object_name] = self.by_object.get(object_name, 0) + rows

    @contextmanager
    def unless_undone(self) -> Iterator[None]:
        """What is counted inside counts only when the block comes to its end: its transaction may be undone."""
        counts = [getattr(self, name) for name in _COUNTS]
        by_object, put_off, refused = dict(self.by_object), set(self.put_off), len(self.refused)
        try:
            yield
        except BaseException:
            for name, count in zip(_COUNTS, counts, strict=True):
                setattr(self, name, count)
            self.by_object, self.put_off = by_object, put_off
            del self.refused[refused:]
            raise

    def told(self) -> dict[str, Any]:
        """As a shard's row keeps it, saved with every batch."""
        return {
            **{name: getattr(self, name) for name in _COUNTS},
            "retrying": self.retrying,
            "by_object": self.by_object,
            "refused": self.refused,
            "slow": self.slow,
            "stopped": {
                name: {"code": e.code, "sobject": e.sobject, "detail": e.detail, "hint": e.hint}
                for name, e in self.stopped.items()
            },
        }

    def add(self, said: Mapping[str, Any]) -> None:
        """What another process told."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + said.get(name, 0))
        self.put_off_elsewhere += said.get("retrying", 0)
        for name, count in said.get("by_object", {}).items():
            self.by_object[name] = self.by_object.get(name, 0) + count
        refused: Sequence[Sequence[str]] = said.get("refused", ())
        self.refused += [(object_name, code, account) for object_name, code, account in refused]
        for name, (rows, seconds, size) in said.get("slow", {}).items():
            self.slow[name] = (rows, seconds, size)
        for name, error in said.get("stopped", {}).items():
            self.stopped[name] = errors.Misconfigured(**error)
