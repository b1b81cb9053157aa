"""Checking program files: what makes one unusable, what a sync would refuse, and what a second pair of eyes would ask about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs.refused_programs import contradictions, sort_out
from jobs.targets import read_with_targets
from jobs.trial_files import read_accounts
from rebates import InvalidProgram, Program
from rebates.amendments import why_not_added
from rebates.frames import NEW_PROGRAM
from rebates.lint import Facts, Finding, lint, lint_together
from rebates.positions import key_places, place_of
from rebates.problems import Problem, problem
from rebates.sequence import APART, clashes
from rebates.versions import folded, in_order

_ONLY_FILES = (
    "check files that belong together at once; `rebates program try` computes the program from files"
)


@dataclass(frozen=True)
class Checked:
    """One file: its problems (it cannot be used) or its findings."""

    file: Path
    program: Program | None
    problems: tuple[Problem, ...] = ()
    findings: tuple[tuple[Finding, int | None], ...] = ()  # with their line

    def as_json(self) -> dict[str, Any]:
        return {
            "file": str(self.file),
            "ok": not self.problems,
            "key": self.program.key if self.program else None,
            "periods": len(self.program.periods()) if self.program else None,
            "problems": [
                {
                    "line": p.line,
                    "column": p.column,
                    "key": p.key,
                    "code": p.code,
                    "message": p.message,
                    "suggestion": p.suggestion,
                }
                for p in self.problems
            ],
            "findings": [
                {
                    "level": f.level,
                    "code": f.code,
                    "line": line,
                    "key": f.key,
                    "message": f.message,
                    "suggestion": f.suggestion,
                }
                for f, line in self.findings
            ],
        }

    def lines(self) -> list[str]:
        """For people: place, key, message, then the suggestion."""
        if self.problems:
            out = []
            for p in self.problems:
                out.append(
                    f"{p.file or self.file}:{p.line or 1}:{p.column or 1}: error: {p.key + ': ' if p.key else ''}{p.message}"
                )
                out += [f"    help: {p.suggestion}"] if p.suggestion else []
            return out
        assert self.program is not None
        out = [
            f"{self.file}: ok, {self.program.key}, {len(self.program.tiers)} tiers, {len(self.program.periods())} periods"
        ]
        for finding, line in self.findings:
            out.append(
                f"{self.file}:{line or 1}: {finding.level}: {finding.key + ': ' if finding.key else ''}{finding.message}"
            )
            out += [f"    help: {finding.suggestion}"] if finding.suggestion else []
        return out


def check_files(
    files: Sequence[Path], accounts: Path | None = None, known: Facts | None = None
) -> list[Checked]:
    """Every file on its own, then the programs together; against an accounts file, or what a store knows."""
    facts = known if accounts is None else facts_of(read_accounts(accounts))
    checked = _families([_check(file, facts) for file in files])
    programs = [entry.program for entry in checked if entry.program is not None]
    if facts is not None and programs:
        together = tuple((finding, None) for finding in lint_together(programs, facts))
        last = next(n for n in reversed(range(len(checked))) if checked[n].program is not None)
        checked[last] = replace(checked[last], findings=(*checked[last].findings, *together))
    return _refused_by_a_sync(checked, Facts() if known is None else known)


def _families(checked: Sequence[Checked]) -> list[Checked]:
    """Files of one key are versions of it; what they contradict each other in is a problem of the newest. Programs
    that know of each other must be comparable."""
    out = list(checked)
    families: dict[str, list[int]] = {}
    for n, entry in enumerate(checked):
        if entry.program is not None:
            families.setdefault(entry.program.key, []).append(n)
    for family in families.values():
        versions = {n: program for n in family if (program := checked[n].program) is not None}
        newest = max(family, key=lambda n: (versions[n].effective, n))
        try:
            ordered = in_order(list(versions.values()))
        except InvalidProgram as error:
            out[newest] = _unusable(checked[newest].file, error.problems)
            continue
        if (apart := why_not_added(ordered)) is not None:
            out[newest] = _unusable(checked[newest].file, [problem(("effective_from",), apart)])
    newest_of = folded([entry.program for entry in out if entry.program is not None])
    for key, reason in clashes(newest_of).items():
        for n, entry in enumerate(out):
            if entry.program is not None and entry.program.key == key:
                out[n] = _unusable(entry.file, [problem(("stacking",), reason, APART)])
    return out


def _unusable(file: Path, problems: Iterable[Problem]) -> Checked:
    places = key_places(file.read_text("utf-8-sig"))
    found = [(one, place_of(one.path, places) or (1, 1)) for one in problems]
    return Checked(
        file, None, tuple(replace(one, file=str(file), line=at[0], column=at[1]) for one, at in found)
    )


def _refused_by_a_sync(checked: Sequence[Checked], known: Facts) -> list[Checked]:
    """What `program try` computes and a sync refuses is said beforehand, at the newest version."""
    out = list(checked)
    programs = [entry.program for entry in checked if entry.program is not None]
    newest_of = folded(programs)
    contradicting = contradictions(newest_of, known.settled)
    unwritable = {one.key: why for one in newest_of if (why := known.inactive.get(one.currency)) is not None}
    reasons = {one.key: one.reason for one in sort_out(newest_of, contradicting | unwritable)[1]}
    for key, reason in reasons.items():
        mine = [(p.effective, n) for n, entry in enumerate(out) if (p := entry.program) and p.key == key]
        newest = max(mine)[1]
        entry = out[newest]
        if any(finding.code == "nobody-paid" for finding, _ in entry.findings):
            continue  # said there, with the way out
        hint = NEW_PROGRAM if reason == contradicting.get(key) else _ONLY_FILES
        if reason == unwritable.get(key):
            hint = "until then `rebates program try` computes it from files"
        said = Finding("warning", "not-in-a-sync", f"a sync refuses this program: {reason}", hint)
        out[newest] = replace(entry, findings=((said, None), *entry.findings))
    return out


def facts_of(accounts: dict[str, dict[str, str]]) -> Facts:
    """What an accounts file alone can tell a linter."""
    values: dict[tuple[str, str], set[str]] = {}
    for record in accounts.values():
        for name, value in record.items():
            values.setdefault(("account", name), set()).add(value)
    return Facts(accounts, {key: frozenset(found) for key, found in values.items()})


def _check(file: Path, facts: Facts | None) -> Checked:
    try:
        program = read_with_targets(file)
    except InvalidProgram as error:
        return Checked(file, None, error.problems)
    places = key_places(file.read_text("utf-8-sig"))
    found = []
    for finding in lint(program, facts):
        place = place_of(finding.path, places)
        found.append((finding, place[0] if place else None))
    return Checked(file, program, (), tuple(found))
