"""What doctor says: one line of its examination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail", "skip"]


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    check: str
    level: Level
    said: str
    mend: str | None = None
