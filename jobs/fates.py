"""What becomes of a row that was sent: what follows when the org took it, and who does what next when it did not.

A refused row is over where it is nobody's any more, sent again where waiting or another owner helps, else set aside for a
person (quarantined), and delays no other.
"""

from __future__ import annotations

from sqlalchemy import Connection

from connector import errors
from connector.port import RowResult
from jobs import alerting, overtaken
from jobs.app import App
from jobs.pushed import Pushed
from jobs.retry_rule import may_try_again, waiting
from jobs.task_changes import note_change
from mappings.model import PushTarget
from state import outbox, people, rebasing, tasks
from state import payouts as made
from state.outbox import Row, Stuck

NO_PARENT = "REQUIRED_FIELD_MISSING"  # an upsert that would make a record that was only to be closed
INACTIVE_OWNER = "INACTIVE_OWNER_OR_USER"


class Fates:
    """Writes each row's fate into the outbox, in the transaction of its batch, and counts it in `result`."""

    def __init__(self, app: App, result: Pushed) -> None:
        self._app, self._result = app, result
        self._targets: dict[str, PushTarget] = {}
        self._by_name: dict[str, PushTarget] = {}

    def aim_at(self, targets: dict[str, PushTarget]) -> None:
        """What is written where, by target name."""
        self._by_name = targets
        self._targets = {target.object: target for target in targets.values()}

    def confirmed(self, tx: Connection, object_name: str, row: Row, sf_id: str | None) -> None:
        """What follows where the org has it: the record id of a task or payout, a task that is closed."""
        if object_name == alerting.TASK_CHANGE:
            note_change(tx, row, now=self._app.clock.now())
        elif object_name in self._targets and self._targets[object_name].name == "payout":
            if sf_id is not None:
                status = row.payload.get(self._targets[object_name].reads.get("status", ""))
                made.found(tx, row.ext_key, sf_id=sf_id, status=status)
        elif row.kind == "event" and object_name != alerting.BELL and sf_id is not None:
            tasks.found(tx, row.ext_key, sf_id=sf_id, owner_id=row.payload.get("OwnerId"))

    def not_taken(self, tx: Connection, object_name: str, row: Row, answer: RowResult) -> None:
        """The org has it not, or something newer."""
        now = self._app.clock.now()
        if answer.is_superseded and not self._is_behind(tx, row, answer):
            outbox.superseded(tx, row, now=now)
            self._result.superseded += 1
        elif answer.is_superseded:
            outbox.retry_at(tx, row, now, code=overtaken.CODE)
            self._result.overtaken += 1
            self._result.put_off.add(row.pk)
        else:
            self._refused(tx, object_name, row, answer)

    def _is_behind(self, tx: Connection, row: Row, answer: RowResult) -> bool:
        """The org has a number that this store never gave out; `NOT_SENT` was our own decision."""
        return answer.code != "NOT_SENT" and not rebasing.sent_newer(tx, row)

    def _refused(self, tx: Connection, object_name: str, row: Row, answer: RowResult) -> None:
        step, code, now = answer.next_step, answer.code or "", self._app.clock.now()
        assert step is not None
        gone = code == "ENTITY_IS_DELETED"
        if gone and (object_name == alerting.TASK_CHANGE or row.kind == "state"):
            # A task that a person deleted is dismissed; what belongs to an account that is gone is nobody's.
            outbox.superseded(tx, row, now=now)
            if object_name == alerting.TASK_CHANGE:
                tasks.closed(tx, row.ext_key, "dismissed", now=now)
            self._result.superseded += 1
            return
        if code == NO_PARENT and row.kind == "state" and people.is_gone(tx, row.account_id):
            outbox.superseded(tx, row, now=now)  # what a merge left is gone, too
            self._result.superseded += 1
            return
        if gone and self._without_its_standing(tx, object_name, row):
            return  # due at once: this push sends it again, and counts what becomes of it
        if code == INACTIVE_OWNER and self._for_another_owner(tx, row):
            return
        if self._may_try_again(row, step):
            outbox.retry_at(tx, row, now + waiting(row), code=code)
            self._result.put_off.add(row.pk)
            return
        why = Stuck.OUT_OF_TRIES if issubclass(step, errors.Transient) else Stuck.REFUSED
        if issubclass(step, errors.Ambiguous):
            why = Stuck.UNKNOWN_FATE
        elif issubclass(step, errors.Misconfigured):
            why = Stuck.MISCONFIGURED
        outbox.quarantine(tx, row, why, now=now, code=code, message=answer.message)
        self._result.quarantined += 1
        self._result.refused.append((object_name, code, row.account_id or ""))

    def _may_try_again(self, row: Row, step: errors.Step) -> bool:
        return may_try_again(row, step, now=self._app.clock.now(), attempts=self._app.settings.push.attempts)

    def _without_its_standing(self, tx: Connection, object_name: str, row: Row) -> bool:
        """A person deleted the standing that a payout points at, and that of a merged account is never made again: the
        money is still owed, and says by itself what for."""
        target = self._by_name.get("payout")
        name = target.written_from("payout.standing_id") if target is not None else None
        if target is None or object_name != target.object or name not in row.payload:
            return False
        payload = {field: value for field, value in row.payload.items() if field != name}
        return outbox.amend(tx, row, payload, now=self._app.clock.now())

    def _for_another_owner(self, tx: Connection, row: Row) -> bool:
        """The owner left since we last read users: the fallback owner gets the task, or else our own user does."""
        owner, fallback = row.payload.get("OwnerId"), self._app.settings.alerts.fallback_owner
        if owner is None:
            return False
        payload = {name: value for name, value in row.payload.items() if name != "OwnerId"}
        if fallback is not None and fallback != owner:
            payload["OwnerId"] = fallback
        if not payload:
            return False
        return outbox.amend(tx, row, payload, now=self._app.clock.now())
