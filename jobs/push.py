"""Push: what waits in the outbox goes to the org, keyed and in batches, and each row learns its fate.

Claim, send, acknowledge: three transactions, so that a crash between any two leaves a row that the next run
sends again under the same key. Standings and account fields are upserts; tasks are created once, and a key
that the org already has is an acknowledgement after a look.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from connector import choose, errors, limits
from connector.port import RowResult
from jobs import alerting, bulk_push, overtaken, payouts, push_shards
from jobs.again import again
from jobs.batch_sizes import Sizes
from jobs.bells import Bells
from jobs.fates import Fates
from jobs.found_by_key import ids_of_keys, states_in_org
from jobs.planning import push_targets
from jobs.poison import send_readable
from jobs.pushed import Pushed
from jobs.refusals import Interrupted, TookTooLong
from jobs.retry_rule import waiting
from jobs.running import Running
from jobs.shard_work import Shift, share_out
from jobs.task_changes import change_tasks
from mappings.model import PushTarget
from state import outbox, outcomes
from state.outbox import Row

log = structlog.get_logger()

CLAIM_TTL = timedelta(minutes=15)  # longer than the org may take for a request (connector.limits)


def push(run: Running) -> Pushed:
    """Send everything that is due; parents of nothing first, so that a task finds its standing in the org.

    When the database undoes a part of it, it is begun again; what had arrived by then is counted all the same.
    """
    sending = Sending(run)
    if (stop := again(run.app, overtaken.standing, run.app)) is not None:
        sending.result.stopped["push"] = stop
        return sending.result
    again(run.app, _push, run, sending)
    again(run.app, overtaken.after, run, sending.result)
    return sending.result


def _push(run: Running, sending: Sending) -> None:
    app = run.app
    with app.store.transaction() as tx:
        outbox.sweep(tx, now=app.lease_time(tx), unkeyed={alerting.BELL}, sender=app.owner)
        targets = push_targets(app, tx)
    sending.aim_at(targets)
    if overtaken.is_behind(run, sending.result, objects_sent(targets)):
        return
    bulk_push.take_up(run, sending.settle)
    with app.progress.step("push") as step:
        parts = push_shards.parts(run, _records(targets))
        push_shards.gather(share_out(run, "push", parts, push_shard, step.advance), into=sending.result)
        for object_name in objects_sent(targets):
            if object_name not in sending.result.stopped:
                sending.send_all(object_name, step.advance)


def push_shard(shift: Shift) -> None:
    """The records of some lanes, whoever holds their shard. What is asked of people comes last, from the leader."""
    with shift.app.store.transaction() as tx:
        targets = push_targets(shift.app, tx)
    sending = Sending(shift, shift.shard.given["lanes"])
    sending.aim_at(targets)
    bulk_push.take_up(shift, sending.settle, shift.shard.given["lanes"])
    push_shards.gather([shift.shard], into=sending.result)
    for object_name in _records(targets):
        if object_name not in sending.result.stopped:
            sending.send_all(object_name, shift.advance)


def _records(targets: dict[str, PushTarget]) -> list[str]:
    return [targets[name].object for name in ("standing", "account", "payout", "task") if name in targets]


def objects_sent(targets: dict[str, PushTarget]) -> list[str]:
    """What a push sends, in its order; what else waits in the outbox stays there until its target is in use again."""
    asked = {"task": alerting.TASK_CHANGE, "notification": alerting.BELL}
    return [*_records(targets), *(name for target, name in asked.items() if target in targets)]


class Sending:
    """Sends one object after the other: of all accounts, or of those in some lanes."""

    def __init__(self, run: Running, lanes: Collection[int] | None = None) -> None:
        self._run, self._app, self._lanes = run, run.app, lanes
        self._targets: dict[str, PushTarget] = {}
        self._by_name: dict[str, PushTarget] = {}
        self._sizes = Sizes()
        self._bells = Bells(run.app)
        self.result = Pushed()
        self._fates = Fates(run.app, self.result)

    def aim_at(self, targets: dict[str, PushTarget]) -> None:
        """What is written where, by target name; of an earlier try, what stopped may go on."""
        self._by_name = targets
        self._bells.aim_at(targets.get("notification"))
        self._fates.aim_at(targets)
        self._targets = {target.object: target for target in targets.values()}
        self.result.stopped.clear()

    def send_all(self, object_name: str, advance: Callable[[int], None]) -> None:
        """Batch after batch until nothing of this object is due, or the org turns out to be ahead of the store."""
        while not self.result.overtaken and (rows := self._claim(object_name)):
            began = self._app.clock.monotonic()
            try:
                results = send_readable(rows, partial(self._send, object_name))
            except (Interrupted, TookTooLong):
                # Nobody waits for the answer any more: what arrived is looked for, or sent again by key, by the next run.
                if object_name != alerting.BELL or not self._bells.may_have_rung:
                    self._put_off(rows, errors.Ambiguous("NO_ANSWER"))
                raise
            except errors.SyncError as error:
                if self._goes_on_with_fewer(object_name, rows, error):
                    continue
                self._put_off(rows, error)
                if isinstance(error, (errors.AuthenticationFailed, errors.QuotaReached, errors.WrongOrg)):
                    raise
                if isinstance(error, errors.Misconfigured):
                    log.error("push.object_stopped", object=object_name, code=error.code)
                    self.result.stopped[object_name] = error
                return
            self.settle(object_name, rows, results, seconds=self._app.clock.monotonic() - began)
            advance(len(rows))
            self._run.beat()

    def _claim(self, object_name: str) -> list[Row]:
        app = self._app
        with app.store.transaction() as tx:
            now = self._run.now()
            waiting = outbox.due(tx, {object_name}, now=now, lanes=self._lanes)
            if not waiting:
                return []
            target = self._targets.get(object_name)
            bulk = (
                target is not None
                and bulk_push.goes_in_jobs(target)
                and choose.choose_write(waiting, app.org.usage.budget_left) == "bulk"
            )
            alone = object_name == alerting.BELL
            return outbox.claim(
                tx,
                now=now,
                limit=1 if alone else limits.BULK_JOB_ROWS if bulk else self._sizes.of(tx, object_name, now),
                owner=app.owner,
                epoch=self._run.lease.epoch,
                until=app.lease_time(tx) + CLAIM_TTL,
                objects={object_name},
                lanes=self._lanes,
            )

    def _send(self, object_name: str, rows: Sequence[Row]) -> list[RowResult]:
        org = self._app.org
        if object_name == alerting.TASK_CHANGE:
            return change_tasks(self._app, self._by_name["task"], rows)
        if object_name == alerting.BELL:
            return self._bells.ring(rows)
        target = self._targets[object_name]
        records = [self._record(target, row) for row in rows]
        if target.name == "payout":
            records = payouts.complete(self._app, self._by_name, rows, records)
        if rows[0].kind == "event":
            return self._create(object_name, target, rows, records)
        if target.match == "Id":
            return org.update(object_name, records)
        assert target.match is not None
        if (
            bulk_push.goes_in_jobs(target)
            and choose.choose_write(len(records), org.usage.budget_left) == "bulk"
        ):
            return bulk_push.send(self._run, target, rows, records, self._lanes)
        return org.upsert(object_name, target.match, records)

    def _create(
        self, object_name: str, target: PushTarget, rows: Sequence[Row], records: Sequence[dict[str, Any]]
    ) -> list[RowResult]:
        """Create once. What may have been sent before is looked for first, deleted ones too: a key in the recycle
        bin is free again, and a person who threw the task away is not asked twice."""
        maybe = [row.ext_key for row in rows if row.attempts > 1 or row.enqueued_at < self._run.slot]
        known = self._find(object_name, maybe)
        fresh = [one for one, row in zip(records, rows, strict=True) if row.ext_key not in known]
        sent = self._app.org.create(object_name, fresh, key_field=target.match) if fresh else []
        answers = {answer.key: answer for answer in sent}
        return [
            answers.get(row.ext_key) or RowResult(row.ext_key, ok=True, id=known[row.ext_key]) for row in rows
        ]

    def _record(self, target: PushTarget, row: Row) -> dict[str, Any]:
        """The payload with its key and what changes on every write."""
        record = dict(row.payload)
        if target.match is not None:
            record[target.match] = row.ext_key
        for name in target.volatile:
            if name == target.fence:
                record[name] = row.seq
            else:
                record[name] = f"{self._app.clock.now():%Y-%m-%dT%H:%M:%S}.000Z"
        return record

    def _goes_on_with_fewer(self, object_name: str, rows: Sequence[Row], error: errors.SyncError) -> bool:
        """After a request that the org was too long at: what of it arrived is settled, by a look at the org; the rest is
        due again at once, in smaller requests. False: fewer would not help, or the look fails, too."""
        slow = isinstance(error, (errors.Ambiguous, errors.Transient)) and error.slow
        if not slow or len(rows) == 1 or object_name == alerting.BELL:
            return False
        app, sizes = self._app, self._sizes
        now = app.clock.now()
        if not sizes.may_be_silent(object_name):
            return False
        with app.store.transaction() as tx:
            size = sizes.was_silent(tx, object_name, len(rows), error.waited, now)
        self.result.slow[object_name] = (len(rows), error.waited, size)
        log.warning(
            "push.fewer",
            object=object_name,
            rows=len(rows),
            code=error.code,
            seconds=round(error.waited),
            next=size,
        )
        try:
            known = self._arrived(object_name, rows)
        except (Interrupted, TookTooLong, errors.AuthenticationFailed, errors.QuotaReached, errors.WrongOrg):
            self._put_off(rows, error)
            raise
        except errors.SyncError as unseen:
            log.warning("push.not_looked", object=object_name, code=unseen.code)
            return False
        there = [row for row in rows if row.ext_key in known]
        self.settle(
            object_name, there, [RowResult(row.ext_key, ok=True, id=known[row.ext_key]) for row in there]
        )
        with app.store.transaction() as tx:
            rest = [(row, now) for row in rows if row.ext_key not in known]
            outcomes.retry_all(tx, rest, code=error.code)
            self._run.note(tx, self.result.told())
        self._run.beat()
        return True

    def _arrived(self, object_name: str, rows: Sequence[Row]) -> dict[str, str]:
        if object_name not in self._targets:
            return {}  # a change of tasks looks at them itself, each time
        if rows[0].kind == "event":
            return self._find(object_name, [row.ext_key for row in rows])
        return states_in_org(self._app, self._targets[object_name], rows)

    def _put_off(self, rows: Sequence[Row], error: errors.SyncError) -> None:
        """The whole request failed: the same keys are due again, later; what was refused for lack of set-up at once."""
        app = self._app
        with self.result.unless_undone(), app.store.transaction() as tx:
            now = app.clock.now()
            at_once = isinstance(error, (errors.Misconfigured, errors.QuotaReached))
            again = [(row, now if at_once else now + waiting(row)) for row in rows]
            outcomes.retry_all(tx, again, code=error.code)
            self.result.put_off |= {row.pk for row in rows}
            self._run.note(tx, self.result.told())
        log.warning("push.put_off", rows=len(rows), code=error.code, error=type(error).__name__)

    def settle(
        self,
        object_name: str,
        rows: Sequence[Row],
        results: Sequence[RowResult],
        *,
        seconds: float | None = None,
    ) -> None:
        """Write down what the org said of each row, once it was looked for where it is in doubt; `seconds`: after which."""
        assert len(rows) == len(results), (len(rows), len(results))
        known = self._read_back(object_name, rows, results)
        app, now = self._app, self._app.clock.now()
        with self.result.unless_undone(), app.store.transaction() as tx:
            self.result.put_off -= {row.pk for row in rows}  # it counts as what the answer says now
            confirmed = [
                (row, answer.id or known.get(row.ext_key))
                for row, answer in zip(rows, results, strict=True)
                if answer.ok or row.ext_key in known
            ]
            outcomes.acknowledge_all(tx, confirmed, now=now)
            for row, sf_id in confirmed:
                self._fates.confirmed(tx, object_name, row, sf_id)
            self.result.confirmed(object_name, len(confirmed))
            for row, answer in zip(rows, results, strict=True):
                if answer.ok or row.ext_key in known:
                    continue
                self._fates.not_taken(tx, object_name, row, answer)
            if seconds is not None:
                self._sizes.answered(tx, object_name, len(rows), seconds)
            self._run.note(tx, self.result.told())

    def _read_back(
        self, object_name: str, rows: Sequence[Row], results: Sequence[RowResult]
    ) -> dict[str, str]:
        """Keys of created records that the org says it has already: their ids, by a look at the org."""
        doubtful = [
            row.ext_key
            for row, answer in zip(rows, results, strict=True)
            if row.kind == "event"
            and object_name in self._targets
            and not answer.ok
            and answer.next_step is errors.Ambiguous
        ]
        return self._find(object_name, doubtful)

    def _find(self, object_name: str, keys: Sequence[str]) -> dict[str, str]:
        return ids_of_keys(self._app, self._targets[object_name], keys) if keys else {}
