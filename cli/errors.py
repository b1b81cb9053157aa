"""The only place that turns an exception into words and an exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.output import Exit


@dataclass(frozen=True)
class Explained:
    """What a person reads: what happened and where, and what to do next."""

    exit_code: int
    code: str
    message: str
    hint: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def explain(error: Exception) -> Explained | None:
    """The words for an error; None for one that nobody raised on purpose (a bug: it keeps its traceback)."""
    from connector import errors as org
    from jobs.clock import BadClock
    from jobs.configuration import InvalidConfiguration
    from jobs.refusals import Refused
    from mappings.problems import MappingProblems
    from rebates.problems import InvalidProgram
    from state import errors as store

    match error:
        case InvalidConfiguration(problems=problems):
            listed = [str(problem) for problem in problems]
            return Explained(
                Exit.USAGE,
                "configuration",
                _listed("The configuration cannot be used:", listed),
                "rebates config show --origin",
                {"problems": listed},
            )
        case MappingProblems(problems=findings):
            return Explained(
                Exit.USAGE,
                "mapping",
                "The mapping cannot be used:\n\n" + "\n\n".join(finding.render() for finding in findings),
                "rebates mapping check",
                {"problems": [finding.as_json() for finding in findings]},
            )
        case InvalidProgram(problems=reasons):
            listed = [str(reason) for reason in reasons]
            return Explained(
                Exit.USAGE,
                "program",
                _listed("The program cannot be used:", listed),
                "rebates program check FILE",
                {"problems": listed},
            )
        case Refused():
            return Explained(error.exit_code, error.code, error.message, error.hint, error.details)
        case BadClock():
            return Explained(Exit.USAGE, "clock", str(error), None)
        case store.StoreLocked():
            return Explained(Exit.LOCKED, error.code, _store(error), error.hint)
        case store.WrongOrg() | store.OlderSchema() | store.NewerSchema() | store.BadStoreUrl():
            return Explained(Exit.USAGE, error.code, _store(error), error.hint)
        case store.StoreError():
            return Explained(Exit.FAILED, error.code, _store(error), error.hint)
        case org.AuthenticationFailed():
            return Explained(
                Exit.AUTHENTICATION, error.code, f"The org refused the login: {error}", error.hint
            )
        case org.WrongOrg():
            return Explained(
                Exit.USAGE,
                error.code,
                f"This is not the org that the configuration names: {error}",
                error.hint,
            )
        case org.QuotaReached():
            return Explained(Exit.API_BUDGET, error.code, f"Stopped at the API budget: {error}", error.hint)
        case org.UnknownReply():
            return Explained(
                Exit.FAILED, error.code, f"The org answered something unknown: {error}", error.hint
            )
        case org.Misconfigured():
            return Explained(Exit.USAGE, error.code, f"Something must be set up first: {error}", error.hint)
        case org.SyncError() if error.code == "NO_CONNECTION":
            where = error.detail or "the org"
            return Explained(Exit.FAILED, error.code, f"Could not be reached: {where}", error.hint)
        case org.SyncError():
            return Explained(Exit.FAILED, error.code, f"The org did not do it: {error}", error.hint)
        case FileNotFoundError():
            return Explained(Exit.USAGE, "file", f"{error.filename}: there is no such file", None)
        case PermissionError() | IsADirectoryError() | NotADirectoryError():
            return Explained(Exit.USAGE, "file", f"{error.filename}: {error.strerror}", None)
    return None


def _listed(title: str, items: list[str]) -> str:
    return title + "".join(f"\n  - {item}" for item in items)


def _store(error: Any) -> str:
    return f"{error.what} ({error.where})"
