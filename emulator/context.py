"""Who writes, through which version, with which headers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emulator.router import Headers, Request

if TYPE_CHECKING:
    from emulator.org import Org


@dataclass
class Context:
    """The circumstances of one write.

    `stamp` is taken at the first row written, inside its transaction, and shared by the rows after it.
    """

    user_id: str
    version: str = "68.0"
    headers: Headers = field(default_factory=Headers)
    bulk: bool = False
    body: bytes = b""
    stamp: int = 0
    system: bool = False
    """Seeds and admin actions: audit fields may be given, permissions are not asked."""

    @classmethod
    def of(cls, request: Request) -> Context:
        return cls(request.user_id, request.version, request.headers, body=request.body)

    def stamp_of(self, org: Org) -> int:
        if not self.stamp:
            self.stamp = org.stamp()
        return self.stamp
