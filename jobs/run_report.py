"""What a sync and a reconcile both tell of themselves: what was read, computed and sent, what is left, what people should know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from connector import errors
from jobs.compute import Computed
from jobs.inventory import Inventory
from jobs.payouts import ReadBack
from jobs.pull import Pulled
from jobs.pushed import Pushed
from jobs.rehearsal import Preview


@dataclass(kw_only=True)
class RunReport(ABC):
    """Filled by the steps (`jobs.steps`) as they are taken: what a step did not come to is as if it had found nothing."""

    dry_run: bool
    waiting: dict[str, errors.SyncError] = field(default_factory=dict)  # why nothing is computed or pushed
    pulled: Pulled = field(default_factory=Pulled)
    inventory: Inventory = field(default_factory=Inventory)
    payouts: ReadBack = field(default_factory=ReadBack)
    computed: Computed = field(default_factory=Computed)
    pushed: Pushed = field(default_factory=Pushed)
    preview: Preview = field(default_factory=Preview)  # dry run: what a push would send
    api_calls: int = 0
    invalid: list[str] = field(default_factory=list)  # program files that are not valid: each in a line
    rejected_waiting: int = 0
    payouts_aside: int = 0  # that the org's field cannot hold exactly
    outbox: dict[str, int] = field(default_factory=dict)  # what is left in it, by state
    warnings: list[str] = field(default_factory=list)

    @property
    @abstractmethod
    def stopped(self) -> dict[str, errors.SyncError]:
        """Streams, objects and targets that could not go on, each with why, in the order of the steps."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """For `--json`."""

    @property
    def set_aside(self) -> int:
        """Records that are not in the numbers: rows that could not be read, writes that the org refused or would round."""
        return (
            self.rejected_waiting
            + self.payouts_aside
            + self.payouts.aside
            + self.outbox.get("quarantined", 0)
        )

    @property
    def put_off(self) -> int:
        """Writes that a push left for later, of this run or earlier ones."""
        return self.outbox.get("pending", 0) + self.outbox.get("inflight", 0)

    @property
    def partial(self) -> bool:
        """Whether anything was left undone."""
        left = self.set_aside or self.put_off or self.stopped or self.computed.refused or self.invalid
        return bool(left)

    def stopped_as_json(self) -> dict[str, dict[str, Any]]:
        return {
            name: {"code": e.code, "detail": e.detail, "hint": e.hint} for name, e in self.stopped.items()
        }
