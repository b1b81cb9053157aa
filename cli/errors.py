"""The only place that turns an exception into words and an exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cli.output import Exit

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Explained:
    """What a person reads: what happened and where, what to do next."""

    exit_code: int
    code: str
    message: str
    hint: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "hint": self.hint, **self.details}
