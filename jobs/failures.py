"""What the log says of an error that ends one piece of work while the process goes on."""

from __future__ import annotations

import traceback

import structlog

from connector.errors import SyncError
from jobs.refusals import Refused
from mappings.problems import MappingProblems
from state.errors import StoreError

EXPECTED = (Refused, SyncError, StoreError, MappingProblems)

log = structlog.get_logger()


def tell_failure(event: str, error: Exception, **more: str) -> None:
    """Code and next step of an error of ours. Of any other its class and place: its words may be a customer's."""
    code = getattr(error, "code", type(error).__name__)
    if isinstance(error, EXPECTED):
        log.error(event, code=code, hint=getattr(error, "hint", None), **more)
        return
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error(event, code=code, places=places[-8:], **more)
