"""What became of a deploy: the components that were done, and what is wrong with the others.

Source: Metadata API Developer Guide, "DeployResult", "DeployMessage".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emulator.metadata_read import Problem


@dataclass(frozen=True)
class Done:
    """One component that was, or with checkOnly would be, deployed or deleted."""

    type: str
    full_name: str
    file: str
    id: str
    created: bool = False
    changed: bool = False
    deleted: bool = False


@dataclass
class Outcome:
    done: list[Done] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    applied: bool = False

    @property
    def status(self) -> str:
        if not self.problems:
            return "Succeeded"
        return "SucceededPartial" if self.applied and self.done else "Failed"
