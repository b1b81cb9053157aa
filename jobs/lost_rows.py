"""More vanished than is usual: records that a user may no longer see look exactly like records that were deleted for good.

Nothing is reversed, made again or taken for deleted then, until a person says that it is so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector import errors

if TYPE_CHECKING:
    from jobs.app import App

FEW = 5  # so many of a few may vanish without a question
VANISHED = "ROWS_VANISHED"


def allowed(app: App, known: int) -> int:
    """Of so many known records, so many may be gone at once without a question."""
    return max(FEW, int(known * app.settings.sync.lost_rows_share))


def vanished(sobject: str, detail: str, *, look_at: str = "rebates doctor") -> errors.Misconfigured:
    """`detail`: how many of how many, and what was not done because of it. `look_at`: where to see whether they are hidden."""
    return errors.Misconfigured(
        VANISHED,
        sobject=sobject,
        detail=detail,
        hint=f"Check that the integration user may still see every {sobject} ({look_at}). "
        "If they were really deleted: rebates reconcile --accept-missing (with --dry-run it shows all that would count as deleted)",
    )


def fewer_shown(sobject: str, known: int, shown: int) -> errors.Misconfigured:
    """The same where records were only counted: which are gone is for reconcile to say."""
    return errors.Misconfigured(
        VANISHED,
        sobject=sobject,
        detail=f"{known:,} records are known, {shown:,} are visible; nothing was reversed",
        hint="Check sharing and permission sets of the integration user; then: rebates reconcile --dry-run",
    )
