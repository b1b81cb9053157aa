"""Every setting of `rebates.toml` as a model: unknown keys are refused, defaults stand here and nowhere else."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from connector.config import OrgSettings

Target = Literal["standing", "account", "payout", "task", "notification"]
JobName = Literal["sync", "reconcile", "verify"]
JOBS: tuple[JobName, ...] = get_args(JobName)  # those that a scheduler runs

LONGEST = timedelta(days=36_500)  # a hundred years: counted back from any day, it is still a day
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: object) -> object:
    """`"15m"`, `"90s"`, `"2h"`, `"1d"`."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d+)([smhd])", str(value).strip())
    if not match or int(match[1]) == 0:
        raise ValueError(f"{value!r} is not a duration; write it as 90s, 15m, 2h or 1d")
    try:
        found = timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        found = timedelta.max
    if found > LONGEST:
        raise ValueError(f"{value!r} is longer than {LONGEST.days}d, the longest duration there is")
    return found


Duration = Annotated[timedelta, BeforeValidator(_duration)]


class Section(BaseModel):
    """One table of the configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StateSettings(Section):
    """Where the local store lives."""

    url: str = Field("sqlite:///rebates.db", description="sqlite:///FILE or postgresql+psycopg://…")


class SyncSettings(Section):
    """How far back each pull looks again, and when a pull is too strange to believe."""

    lookback: Duration = Field(
        timedelta(minutes=10),
        description="re-read this much before the watermark: rows commit later than stamped",
    )
    lag: Duration = Field(
        timedelta(seconds=1), description="the upper bound stays this far behind the org's clock"
    )
    initial_read: Literal["auto", "rest", "bulk"] = Field(
        "auto", description="auto: Bulk for the first load and for large changes, REST otherwise"
    )
    lost_rows_share: float = Field(
        0.005, ge=0, le=1, description="stop when more than this share of known rows is no longer visible"
    )
    rejected_rows_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="stop a stream when more than this share of the rows that were read (and more than 100) cannot be used",
    )
    unconfirmed_days: int = Field(
        14,
        ge=1,
        description="a pull older than this is followed by a reconciliation of ids (recycle bin: 15 days)",
    )


class EngineSettings(Section):
    """Who computes from scratch; the difference after some changed orders is always the store's own work."""

    use: Literal["sql", "duckdb", "spark"] = Field(
        "sql", description="sql: the store itself; duckdb and spark read a Parquet snapshot"
    )
    snapshot: Path | None = Field(
        None, description="folder of the snapshot; None: beside the store's file (PostgreSQL must say)"
    )
    memory: str = Field("2GB", pattern=r"^\d+(MB|GB)$", description="of DuckDB; more goes to disk")
    spark: str = Field("local[*]", description="a master (spark://host:7077) or Spark Connect (sc://host)")
    spark_options: tuple[str, ...] = Field(
        (), description='settings of the Spark session: "spark.executor.memory=8g"'
    )

    @property
    def options(self) -> dict[str, str]:
        return dict(one.split("=", 1) for one in self.spark_options)

    @field_validator("spark_options")
    @classmethod
    def _pairs(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for one in options:
            if not one.partition("=")[1]:
                raise ValueError(f"{one!r} is not a Spark setting; write it as name=value")
        return options


class PushSettings(Section):
    """What is written into the org."""

    targets: tuple[Target, ...] = Field(
        ("standing", "account", "payout", "task", "notification"),
        description="which push tables of the mapping are used",
    )
    clear_share: float = Field(
        0.2, ge=0, le=1, description="refuse a push that clears more than this share of accounts"
    )
    closed_periods: int | None = Field(
        None, ge=0, description="how many closed periods are written as standings; None: all"
    )
    attempts: int = Field(8, ge=1, description="tries of a row, over at least a day, before it is set aside")


LEAST_KEPT = timedelta(days=7)


class RetentionSettings(Section):
    """How long the store keeps what nothing needs any more; money, events and the audit trail are never removed."""

    outbox: Duration = Field(
        timedelta(days=30), description="writes that newer ones replaced, and bulk jobs that are over"
    )
    runs: Duration = Field(
        timedelta(days=730), description="runs that are over; those that settled something stay"
    )
    history: Duration = Field(
        timedelta(days=730), description="how far back `rebates why-changed` knows what a standing was"
    )

    @field_validator("outbox", "runs", "history")
    @classmethod
    def _not_too_short(cls, kept: timedelta) -> timedelta:
        if kept < LEAST_KEPT:
            raise ValueError(
                "keep at least 7d: the day's API calls and what a retry compares with are in there"
            )
        return kept


class AlertSettings(Section):
    """Tasks and bells."""

    fallback_owner: str | None = Field(
        None, description="user id who gets tasks of accounts whose owner is inactive"
    )
    max_tasks: int = Field(
        500, ge=0, description="refuse more new tasks in one run (a changed rule can make thousands)"
    )


class PayoutSettings(Section):
    """Which periods are settled without being asked."""

    settle_from: date | None = Field(
        None,
        description="settle periods from this day on although they were over before their program was first computed; "
        "None: those wait for `rebates periods close`",
    )
    send_from: date | None = Field(
        None,
        description="make payouts in the org for periods whose last day is this one or later, and for earlier ones never; None: for all, and a person "
        "is asked first where they were settled before payouts were written",
    )
    correct_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="refuse a run that corrects more than this share of what closed periods were settled at",
    )


class JobSchedule(Section):
    """When a job runs: one of the two."""

    every: Duration | None = Field(None, description="15m, 2h …, at most 1d, counted from midnight UTC")
    cron: str | None = Field(None, description="five fields, in the schedule's time zone")

    @model_validator(mode="after")
    def _one_of(self) -> JobSchedule:
        if (self.every is None) == (self.cron is None):
            raise ValueError('give exactly one of every = "15m" and cron = "*/15 6-20 * * 1-5"')
        return self


class ScheduleSettings(Section):
    """What `rebates schedule run` runs."""

    time_zone: str = Field("UTC", description="for cron fields; slots are kept in UTC")
    longest: Duration = Field(
        timedelta(hours=6),
        description="a scheduled run ends after this long, between two batches, in a wait or in a compute",
    )
    sync: JobSchedule | None = None
    reconcile: JobSchedule | None = None
    verify: JobSchedule | None = None

    def rhythm(self, job: str) -> str | None:
        """A job's schedule in one word, written down with each scheduled run; None: the job is not scheduled."""
        schedule: JobSchedule | None = getattr(self, job, None)
        if schedule is None:
            return None
        return f"{schedule.cron} {self.time_zone}" if schedule.cron else f"every {schedule.every}"


class LoggingSettings(Section):
    """Log lines go to stderr; the run is bound to each."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = Field(
        "auto", description="auto: text on a terminal, json elsewhere"
    )


class Settings(Section):
    """The whole configuration."""

    default_org: str | None = Field(None, description="the alias used when --org is not given")
    mapping: str = Field("standard", description='"standard" or the path of a mapping file')
    programs: Path = Field(Path("programs"), description="folder of program files (*.toml)")
    org: dict[str, OrgSettings] = Field(default_factory=dict)
    state: StateSettings = Field(default_factory=StateSettings)
    sync: SyncSettings = Field(default_factory=SyncSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    push: PushSettings = Field(default_factory=PushSettings)
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    payouts: PayoutSettings = Field(default_factory=PayoutSettings)
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    logging: LoggingSettings = Field(default_factory=LoggingSettings)
