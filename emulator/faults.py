"""What goes wrong, on purpose: scripted or by chance, and the same again with the same seed.

A `Fault` names requests by method and path and says what becomes of them. TCP-level faults are written on the
reply (`delay`, `cut_after`, `reset`); the server edge, or a test's transport, carries them out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from emulator.errors import ApiError, RecordError
from emulator.fault_kinds import (
    AFTER,
    BEFORE,
    CODES,
    HTML,
    LOCKED,
    READ_ONLY,
    WRAPPED,
    Fault,
    shortened,
    unauthorized,
    writes,
)
from emulator.jsontext import Number
from emulator.router import Request, Response, error_response
from emulator.schema import SObject
from emulator.storage import quote

if TYPE_CHECKING:
    from emulator.org import Org

__all__ = ["Fault", "FaultPlan"]


class FaultPlan:
    """`org.faults`: the faults in force. Nothing goes wrong while it is empty."""

    def __init__(self, org: Org, seed: int = 0) -> None:
        self._org = org
        self._chance = random.Random(seed)
        self.faults: list[Fault] = []
        self.log: list[tuple[str, str, str]] = []  # (kind, method, path) of every strike
        self._late: list[tuple[int, str, dict[str, Any]]] = []
        self._touched: set[tuple[str, str]] | None = None
        org.validation_rules.append(self._row_errors)
        org.after_write.append(self._note)

    def seed(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def add(self, fault: Fault) -> Fault:
        self.faults.append(fault)
        return fault

    def clear(self) -> None:
        self.faults.clear()

    def report(self) -> list[dict[str, Any]]:
        return [asdict(each) | {"seconds": Number(each.seconds)} for each in self.faults]

    def _striking(self, request: Request, kinds: frozenset[str]) -> Fault | None:
        for each in self.faults:
            if each.kind not in kinds or each.method not in ("*", request.method):
                continue
            if each.kind == "read_only" and not writes(request):
                continue
            if re.search(each.path, request.path, re.IGNORECASE) and each.strikes(self._chance):
                self.log.append((each.kind, request.method, request.path))
                return each
        return None

    def around(self, request: Request, handle: Callable[[Request], Response]) -> Response:
        """One request through the plan."""
        if request.path.startswith("/emulator/"):
            return handle(request)
        self.settle()
        before = self._striking(request, BEFORE)
        if before is not None:
            return self._instead(before)
        after = self._striking(request, AFTER)
        if after is None:
            return handle(request)
        if after.kind == "late_commit":
            with self.late(after.seconds):
                return handle(request)
        return self._spoiled(after, handle(request))

    def _instead(self, fault: Fault) -> Response:
        if fault.kind == "reset":
            return Response(0, reset=True)
        if fault.kind == "html":
            return Response(
                fault.status, [("Content-Type", "text/html;charset=UTF-8")], HTML, delay=fault.seconds
            )
        if fault.kind == "unauthorized":
            return unauthorized(fault.shape)
        if fault.kind == "stale_locator":
            return error_response(ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator"))
        if fault.kind == "read_only":
            message = "The system is in read-only mode for maintenance. Please try again later."
            return error_response(ApiError(503, READ_ONLY, message))
        if fault.body is not None:
            headers = [("Content-Type", fault.content_type)]
            return Response(fault.status, headers, fault.body.encode(), delay=fault.seconds)
        code, message = CODES.get(fault.status, CODES[500])
        reply = error_response(ApiError(fault.status, fault.code or code, fault.message or message))
        reply.delay = fault.seconds
        return reply

    def _spoiled(self, fault: Fault, reply: Response) -> Response:
        content = reply.content()
        if fault.kind == "delay":
            reply.delay += fault.seconds
        elif fault.kind == "truncate":
            reply.cut_after = min(fault.bytes or len(content) // 2, max(len(content) - 1, 0))
        elif fault.kind == "drop_header":
            reply.headers = [pair for pair in reply.headers if pair[0].lower() != fault.header.lower()]
        elif fault.kind == "wrong_date":
            wrong = self._org.now() + timedelta(seconds=fault.seconds)
            reply.set_header("Date", format_datetime(wrong.replace(microsecond=0), usegmt=True))
        elif fault.kind == "drop_ack":
            return Response(0, reset=True)
        elif fault.kind == "lost_status":
            return self._instead(Fault("status", status=fault.status, code=fault.code, body=fault.body))
        elif fault.kind == "empty":
            reply.body = b""
        elif fault.kind == "short_results":
            return shortened(reply, content)
        return reply

    # -- rows ----------------------------------------------------------------------------------------------

    def _row_errors(
        self, org: Org, sobject: SObject, new: dict[str, Any], old: dict[str, Any] | None
    ) -> None:
        for each in self.faults:
            if each.kind != "row_error" or not re.search(each.path, sobject.name, re.IGNORECASE):
                continue
            if each.ids and not any(value in each.ids for value in new.values()):
                continue
            if each.strikes(self._chance):
                self.log.append((each.kind, "ROW", f"{sobject.name}/{new.get('Id')}"))
                locked = str(each.ids[0] if each.ids else new.get("Id"))
                code = each.code or "UNABLE_TO_LOCK_ROW"
                text = WRAPPED.get(code, LOCKED).format(id=locked[:15])
                raise RecordError(code, each.message or text)

    # -- rows that no one shares with the user any more ----------------------------------------------------

    def hide_rows(self, sobject: str, ids: list[str]) -> int:
        """Records vanish without a trace of deletion, as when sharing is lost; how many there were."""
        storage, hidden = self._org.storage, 0
        table = quote(self._org.schema.require(sobject).name)
        with self._org.lock, storage.transaction():
            columns = [str(row[1]) for row in storage.rows(f"PRAGMA table_info({table})")]
            for each in ids:
                row = storage.row(f'SELECT * FROM {table} WHERE "Id" = ?', (each,))
                if row is not None:
                    storage.keep("hidden rows", f"{sobject}:{each}", dict(zip(columns, row, strict=True)))
                    storage.execute(f'DELETE FROM {table} WHERE "Id" = ?', (each,))
                    hidden += 1
        return hidden

    def show_rows(self) -> int:
        """Sharing is back: the hidden records are there again, as they were."""
        storage = self._org.storage
        with self._org.lock, storage.transaction():
            kept = storage.kept_all("hidden rows")
            for key, row in kept.items():
                sobject = self._org.schema.require(key.partition(":")[0]).name
                storage.load(sobject, list(row), [list(row.values())])
                storage.keep("hidden rows", key, None)
        return len(kept)

    # -- late commits --------------------------------------------------------------------------------------

    def _note(self, org: Org, sobject: SObject, new: dict[str, Any], old: dict[str, Any] | None) -> None:
        if self._touched is not None:
            self._touched.add((sobject.name, str(new["Id"])))
            if sobject.name == "OrderItem":  # the total of its order moved with it
                self._touched.add(("Order", str(new["OrderId"])))

    @contextmanager
    def late(self, seconds: float) -> Iterator[None]:
        """What is written inside keeps its stamps but shows only `seconds` later, all at once."""
        org = self._org
        with org.lock, org.storage.transaction():
            self._touched = set()
            try:
                yield
                touched = sorted(self._touched)
            finally:
                self._touched = None
            due = org.now_ms() + int(seconds * 1000)
            for name, record_id in touched:
                where = f'SELECT * FROM {quote(name)} WHERE "Id" = ?'
                after = org.storage.row(where, (record_id,))
                before = next(
                    org.storage.stream(where, (record_id,)), None
                )  # as committed: before this block
                columns = [str(row[1]) for row in org.storage.rows(f"PRAGMA table_info({quote(name)})")]
                org.storage.execute(f'DELETE FROM {quote(name)} WHERE "Id" = ?', (record_id,))
                if before is not None:
                    org.storage.load(name, columns, [before])
                if after is not None:
                    self._late.append((due, name, dict(zip(columns, after, strict=True))))

    def settle(self, *, all_of_them: bool = False) -> int:
        """Show the late writes that are due; how many there were."""
        if not self._late:
            return 0
        now = self._org.now_ms()
        due = [each for each in self._late if all_of_them or each[0] <= now]
        if not due:
            return 0
        with self._org.storage.transaction() as connection:
            for _, name, row in due:
                columns = ", ".join(map(quote, row))
                marks = ", ".join("?" * len(row))
                connection.execute(
                    f"INSERT OR REPLACE INTO {quote(name)} ({columns}) VALUES ({marks})", list(row.values())
                )
        self._late = [each for each in self._late if each not in due]
        return len(due)
