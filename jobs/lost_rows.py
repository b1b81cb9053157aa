"""More vanished than is usual: records that a user may no longer see look exactly like records that were deleted for good.

Nothing is reversed, made again or taken for deleted then, until a person says that it is so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector import errors
from jobs.refusals import Unusable
from mappings.problems import nearest

if TYPE_CHECKING:
    from jobs.app import App

FEW = 5  # so many of a few may vanish without a question
VANISHED = "ROWS_VANISHED"
ALL = "all"
_COMPARED = ("user", "product", "account", "order", "order_line", "standing", "payout", "task")


@dataclass(frozen=True)
class Accepted:
    """Of which objects a person says that what the org no longer shows was really deleted; names in small letters."""

    names: frozenset[str] = frozenset()

    def covers(self, *names: str) -> bool:
        """Whether this object is one of them, by what we call it or the org does."""
        return ALL in self.names or any(name.lower() in self.names for name in names)


NOTHING = Accepted()


def accepted(app: App, names: Iterable[str]) -> Accepted:
    """What a person named. Raises Unusable where that is no object of ours, so that a slip accepts nothing."""
    ours = {name: app.mapping.pull[name].object for name in _COMPARED if name in app.mapping.pull}
    ours |= {name: app.mapping.push[name].object for name in _COMPARED if name in app.mapping.push}
    known = {ALL, *ours, *(sobject.lower() for sobject in ours.values())}
    said = [name.lower() for name in names]
    for one in said:
        if one not in known:
            near = nearest(one, sorted(known))
            raise Unusable(
                f'--accept-missing: "{one}" is no object that is compared',
                (f'did you mean "{near}"? ' if near else "")
                + f"There are {', '.join(ours)}; {ALL} stands for all of them",
            )
    return Accepted(frozenset(said))


def accepting(*names: str) -> str:
    """The command that says so of these objects."""
    return " ".join(["rebates reconcile", *(f"--accept-missing {name}" for name in names)])


def allowed(app: App, known: int) -> int:
    """Of so many known records, so many may be gone at once without a question."""
    return max(FEW, int(known * app.settings.sync.lost_rows_share))


def vanished(
    sobject: str, detail: str, *, name: str, look_at: str = "rebates doctor", left_out: bool = False
) -> errors.Misconfigured:
    """`detail`: how many of how many, and what was not done because of it. `name`: what we call the object. `look_at`: where
    to see whether they are hidden. `left_out`: they are not, it is the mapping that shows them no more."""
    check = f"Check that the integration user may still see every {sobject} ({look_at}). If they were really deleted"
    if left_out:
        check = f"Check that the mapping is right (rebates mapping check), and what was done to the records of {sobject}. If they count no more"
    return errors.Misconfigured(
        VANISHED,
        sobject=sobject,
        detail=detail,
        hint=f"{check}: {accepting(name)} (with --dry-run it shows all of them that would count as deleted)",
    )


def fewer_shown(sobject: str, known: int, shown: int, *, where: bool) -> errors.Misconfigured:
    """The same where records were only counted: which are gone, and whether a condition (`where`) of the mapping leaves them
    out, is for reconcile to say."""
    under = ", and that the mapping's `where` is right" if where else ""
    return errors.Misconfigured(
        VANISHED,
        sobject=sobject,
        detail=f"{known:,} records are known, {shown:,} are {'shown under the mapping' if where else 'visible'}; nothing was reversed",
        hint=f"Check sharing and permission sets of the integration user{under}; then: rebates reconcile --dry-run",
    )
