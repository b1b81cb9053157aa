"""structlog, set up once: events with facts on stderr, never a customer's values, the run bound to each line."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from jobs.settings import LoggingSettings


def configure_logging(settings: LoggingSettings, *, events: bool = False) -> None:
    """Text for a terminal, JSON lines elsewhere, unless the configuration says which.

    A command that a person waits for shows progress instead of events, unless they ask for a format; `events`
    is for what runs by itself.
    """
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    level = getattr(logging, settings.level.upper())
    if settings.level == "info" and settings.format == "auto" and not events:
        level = logging.WARNING
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer()
            if as_json
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
