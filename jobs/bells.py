"""Bells: a notification in Salesforce, rung once. The org keeps no key of one, so that silence is taken for having rung."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from connector import errors
from connector.port import RowResult
from jobs.retry_rule import may_try_again
from mappings import soql
from mappings.model import PushTarget
from state.outbox import Row

if TYPE_CHECKING:
    from jobs.app import App

USUAL_TYPE = "Rebate_Alert"  # of our package

log = structlog.get_logger()


class Bells:
    """Rings them in one org."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._name, self._type_id = USUAL_TYPE, ""
        self.may_have_rung = False  # the last one; before it is sent nothing can have

    def aim_at(self, target: PushTarget | None) -> None:
        """What the mapping says of bells."""
        self._name, self._type_id = (target.type if target else None) or USUAL_TYPE, ""

    def ring(self, rows: Sequence[Row]) -> list[RowResult]:
        """Bells are not keyed in the org, so each is claimed alone: one that may have rung is not rung again."""
        (row,) = rows
        self.may_have_rung = False
        type_id = self._asked_type()
        self.may_have_rung = True
        try:
            self._app.org.notify(
                type_id=type_id,
                recipients=[row.payload["recipient"]],
                target_id=row.payload["target"],
                title=row.payload["title"],
                body=row.payload["body"],
            )
        except (errors.Ambiguous, errors.Transient) as error:
            # A refusal that names its reason (a busy or read-only org) did not ring; silence may have.
            refused = isinstance(error, errors.Transient) and error.status not in (None, 408)
            if refused or (isinstance(error, errors.Transient) and not error.sent):
                if self._may_try_again(row):
                    raise  # nor would the next one ring: all of them wait for the next push
                return [RowResult(row.ext_key, ok=False, code="SERVER_UNAVAILABLE", message=error.code)]
            log.warning("bell.unknown_fate", code=error.code)
        except (errors.RowRefused, errors.Misconfigured) as error:
            if not isinstance(error, errors.RowRefused) and error.code != "INVALID_INPUT":
                raise
            # Its reader left, or its account is gone: nobody is there to hear it, and nobody else must wait.
            log.warning("bell.dropped", code=error.code, account=row.account_id)
        return [RowResult(row.ext_key, ok=True)]

    def _may_try_again(self, row: Row) -> bool:
        tries = self._app.settings.push.attempts
        return may_try_again(row, errors.Transient, now=self._app.clock.now(), attempts=tries)

    def _asked_type(self) -> str:
        """The id of the notification type, asked once a push."""
        if not self._type_id:
            query = f"SELECT Id FROM CustomNotificationType WHERE DeveloperName = {soql.text(self._name)}"
            found = [
                str(one) for page in self._app.org.query(query) for one in page.table.column("Id").to_pylist()
            ]
            if not found:
                raise errors.Misconfigured(
                    "NOT_FOUND", detail=f"no custom notification type {self._name}", hint="rebates org deploy"
                )
            self._type_id = found[0]
        return self._type_id
