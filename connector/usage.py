"""Counting API calls: ours by kind, and what the org says of its day in `Sforce-Limit-Info`."""

from __future__ import annotations

import re
import threading
from collections import Counter

from connector import limits
from connector.errors import QuotaReached
from connector.port import Usage

# The header may carry both parts in either order; only the org's own part decides anything here.
_ORG = re.compile(r"(?<![\w-])api-usage\s*=\s*(\d+)\s*/\s*(\d+)", re.IGNORECASE)
_APP = re.compile(r"per-app-api-usage\s*=\s*(\d+)\s*/\s*(\d+)\s*\(\s*appName\s*=\s*([^)]*)\)", re.IGNORECASE)

# Logins and the list of versions do not count against the org's daily calls.
FREE_KINDS = frozenset({"login", "versions"})


def parse_limit_info(header: str) -> tuple[int, int] | None:
    """`(used, max)` of the org, or None."""
    found = _ORG.search(header)
    return (int(found[1]), int(found[2])) if found else None


def parse_app_limit(header: str) -> tuple[int, int, str] | None:
    """`(used, max, app)` of the connected app, or None."""
    found = _APP.search(header)
    return (int(found[1]), int(found[2]), found[3].strip()) if found else None


class Meter:
    """Calls of this process and the org's count. Safe to use from several threads."""

    def __init__(self, *, share: float, calls_before: int = 0) -> None:
        self._share = share
        self._before = calls_before  # ours in the last 24 hours, in earlier processes
        self._elsewhere = 0
        self._lock = threading.Lock()
        self._by_kind: Counter[str] = Counter()
        self._org: tuple[int, int] | None = None
        self._app: tuple[int, int, str] | None = None

    def count(self, kind: str) -> None:
        with self._lock:
            self._by_kind[kind] += 1

    def elsewhere(self, calls: int) -> None:
        """So many calls of ours were made by other processes at the same time: the share is one for all."""
        with self._lock:
            self._elsewhere = calls

    def hear(self, header: str | None) -> None:
        if not header:
            return
        org, app = parse_limit_info(header), parse_app_limit(header)
        with self._lock:
            self._org = org or self._org
            self._app = app or self._app

    @property
    def usage(self) -> Usage:
        with self._lock:
            used, most = self._org or (None, None)
            return Usage(
                calls=self._calls(),
                org_used=used,
                org_max=most,
                by_kind=dict(sorted(self._by_kind.items())),
                budget_left=self._left(),
            )

    def _calls(self) -> int:
        return sum(n for kind, n in self._by_kind.items() if kind not in FREE_KINDS)

    def _left(self) -> int | None:
        if self._org is None:
            return None
        used, most = self._org
        ours = int(most * self._share) - self._before - self._elsewhere - self._calls()
        everyone = int(most * (1 - limits.ORG_RESERVE_SHARE)) - used
        app = self._app[1] - self._app[0] if self._app else ours
        return max(0, min(ours, everyone, app))

    def check(self, kind: str) -> None:
        """Raises QuotaReached when the next call would go beyond our share or into the org's reserve."""
        if kind in FREE_KINDS:
            return
        with self._lock:
            if self._org is None or (self._left() or 0) > 0:
                return
            used, most = self._org
            spent = self._before + self._elsewhere + self._calls()
        code = "API_BUDGET_SHARE" if spent >= int(most * self._share) else "ORG_NEARLY_EXHAUSTED"
        raise QuotaReached(code, detail=f"{spent} calls of ours, {used} of {most} in the org", sent=False)

    @property
    def is_exhausted(self) -> bool | None:
        """Whether the org's own count has reached its maximum; None when it never said."""
        with self._lock:
            return None if self._org is None else self._org[0] >= self._org[1]
