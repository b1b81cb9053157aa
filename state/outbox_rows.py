"""What stands in the outbox: a wish, the row that it becomes, and why a row may wait for a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from state.instants import moment, optional_moment
from state.payloads import load

Kind = Literal["state", "event"]


class Stuck(StrEnum):
    """Why an outbox row waits for a person."""

    OUT_OF_TRIES = "out_of_tries"  # temporary trouble that did not pass
    REFUSED = "refused"  # Salesforce said no to this record
    MISCONFIGURED = "misconfigured"  # a field or permission is missing; fixing it frees every row
    UNKNOWN_FATE = "unknown_fate"  # sent, and it could not be found out whether it was written


class Wanted(NamedTuple):
    """Something the org should be told. `payload` is a Salesforce record without its key and sequence."""

    kind: Kind
    object: str
    ext_key: str
    payload: Mapping[str, Any]
    account_id: str | None = None


@dataclass(frozen=True)
class Row:
    """An outbox row. `seq` rises with time within an object and key, over restores too."""

    pk: int
    kind: str
    object: str
    ext_key: str
    account_id: str | None
    seq: int
    payload: Mapping[str, Any]
    payload_hash: str
    state: str
    attempts: int
    retry_at: datetime
    owner: str | None
    epoch: int | None
    stuck: str | None
    code: str | None
    message: str | None
    enqueued_at: datetime
    finished_at: datetime | None


def made(row: Any) -> Row:
    return Row(
        pk=row.pk,
        kind=row.kind,
        object=row.object,
        ext_key=row.ext_key,
        account_id=row.account_id,
        seq=row.seq,
        payload=load(row.payload),
        payload_hash=row.payload_hash,
        state=row.state,
        attempts=row.attempts,
        retry_at=moment(row.retry_at),
        owner=row.owner,
        epoch=row.epoch,
        stuck=row.stuck,
        code=row.code,
        message=row.message,
        enqueued_at=moment(row.enqueued_at),
        finished_at=optional_moment(row.finished_at),
    )
