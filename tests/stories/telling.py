"""Reads a story and checks it. One line, one sentence; `#` begins a remark.

    program retrospective by month on amount        a program; a second such line begins another
    terms   grace_days = 5                          any key of a program file, as the file has it
    tier    Gold from 50000 pays 15%                or: pays 2.00 a unit, pays 1000 fixed; `with KEY = VALUE; …`
    account A1 type Reseller region EMEA            fields of an account
    order   2026-01-10 A1 9000.00 for 10 units of "Skin care" ...
    return  2026-02-03 A1 500.00 for 2 units ...    the same with the signs turned
    rate    EUR 0.92 from 2026-01-01                units of it for one of the base currency
    target  A1 100000            baseline A1 90000
    on 2026-01-31 A1 earns 190.00                   optional: `in PERIOD`, `under PROGRAM`, `at TIER` or `at none`
    on 2026-01-31 A1 is paid 0.00                   also: carries, needs … for TIER, then earns … at TIER
    on 2026-01-31 A1 is near_next_tier              a status
    on 2026-01-31 order 3 does not count because "order.status"
    on 2026-01-31 A1 is incomplete because "no target"
    on 2026-01-31 A1 says "capped at"               a step that explains the number

Further words of an order: `in EUR`, `status Draft`, `received 2026-02-09`, `takes back 1` (the number of an earlier order),
`under AGREEMENT`, `with FIELD VALUE`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from jobs.trial import Trial, TrialStanding, run_trial
from jobs.trial_files import Target, TrialFiles, TrialLine
from rebates import Program, parse_program
from rebates.currency import ALWAYS, DatedRate

BENEFITS = {"a unit": "per_unit", "fixed": "amount"}


@dataclass
class _Draft:
    """A program while its lines are read."""

    head: list[str]
    terms: list[str] = field(default_factory=list)
    tiers: list[str] = field(default_factory=list)

    def text(self) -> str:
        kind = self.head
        words = dict(zip(kind[1::2], kind[2::2], strict=True))
        period = words.get("by", "month")
        period = period if period == "half_year" else period.replace("_", " ")  # 2_weeks
        out = [f'method = "{kind[0]}"', f'period = "{period}"']
        if "on" in words:
            out.append(f'qualifier = "{words["on"]}"')
        given = {term.split("=", 1)[0].strip() for term in self.terms}
        defaults = {"key": f'"{words.get("called", "story")}"', "starts": "2026-01-01", "ends": "2026-12-31"}
        out += [f"{key} = {value}" for key, value in defaults.items() if key not in given]
        return "\n".join([*out, *self.terms, *self.tiers])


class Story:
    """A story as it is told: sentences collect facts, `on` lines check them."""

    def __init__(self) -> None:
        self.drafts: list[_Draft] = []
        self.files = TrialFiles()
        self.checks = 0

    def tell(self, text: str) -> None:
        for raw in text.strip().splitlines():
            line = raw.split("#", 1)[0].strip() if '"' not in raw else raw.strip()
            if line and not line.startswith("#"):
                try:
                    self._sentence(line)
                except AssertionError as error:
                    raise AssertionError(f"{line}\n    {error}") from None
        assert self.checks, "a story that checks nothing"

    def _sentence(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        match word:
            case "program":
                self.drafts.append(_Draft(rest.split()))
            case "terms":
                self.drafts[-1].terms.append(rest)
            case "tier":
                self.drafts[-1].tiers.append(_tier(rest))
            case "account":
                account, *pairs = shlex.split(rest)
                self.files.accounts[account] = {
                    "id": account,
                    **dict(zip(pairs[::2], pairs[1::2], strict=True)),
                }
            case "order" | "return":
                self.files.lines.append(self._order(shlex.split(rest), -1 if word == "return" else 1))
            case "rate":
                code, rate, *start = shlex.split(rest)
                self.files.rates.append(
                    DatedRate(code, Decimal(rate), date.fromisoformat(start[1]) if start else ALWAYS)
                )
            case "target" | "baseline":
                account, amount, *period = rest.split()
                value = Decimal(amount)
                self.files.targets.append(
                    Target(
                        account,
                        period[1] if period else None,
                        value if word == "target" else None,
                        value if word == "baseline" else None,
                    )
                )
            case "on":
                self.checks += 1
                self._check(shlex.split(rest))
            case _:
                raise ValueError(f"cannot read: {line!r}")

    def _order(self, words: list[str], sign: int) -> TrialLine:
        day, account, amount, *more = words
        number = len(self.files.lines) + 1
        fields: dict[str, str] = {}
        units, currency, received, original = Decimal(1), None, None, None
        while more:
            match more:
                case ["for", count, "units" | "unit", *rest]:
                    units, more = Decimal(count), rest
                case ["of", family, *rest]:
                    fields["product_family"], more = family, rest
                case ["in", code, *rest]:
                    currency, more = code, rest
                case ["status", status, *rest]:
                    fields["status"], more = status, rest
                case ["received", when, *rest]:
                    received, more = date.fromisoformat(when), rest
                case ["takes", "back", order, *rest]:
                    original, more = f"O{order}", rest
                case ["under", agreement, *rest]:
                    fields["agreement"], more = agreement, rest
                case ["with", name, value, *rest]:
                    fields[name], more = value, rest
                case _:
                    raise ValueError(f"cannot read: {' '.join(more)!r}")
        when = date.fromisoformat(day) if len(day) == 10 else datetime.fromisoformat(day)
        return TrialLine(
            number,
            f"O{number}",
            "1",
            account,
            when,
            units * sign,
            Decimal(amount) * sign,
            currency,
            original,
            received,
            fields,
        )

    def _programs(self) -> list[Program]:
        return [parse_program(draft.text(), "story") for draft in self.drafts]

    def _check(self, words: list[str]) -> None:
        day, who, *claim = words
        trial = run_trial(self._programs(), self.files, as_of=date.fromisoformat(day))
        if who == "order":
            _check_excluded(trial, claim)
            return
        found = [row for row in trial.standings if row.standing.member == who]
        while claim and claim[0] in ("in", "under"):
            if claim[0] == "in":
                found = [row for row in found if row.standing.period.key == claim[1]]
            else:
                found = [row for row in found if row.standing.program == claim[1]]
            claim = claim[2:]
        if claim == ["has", "no", "standing"]:
            assert not found, f"has {[(row.standing.period.key, row.standing.rebate) for row in found]}"
            return
        current = [row for row in found if date.fromisoformat(day) in row.standing.period] or found
        assert current, f"no standing of {who}; excluded: {[e.reason for _, e in trial.excluded]}"
        _check_row(current[-1], claim)


def _tier(rest: str) -> str:
    main, _, extra = rest.partition(" with ")
    name, _, tail = main.partition(" from ")
    threshold, _, benefit = tail.partition(" pays ")
    name = name.strip().strip('"')
    value = threshold.strip()
    lines = [
        "[[tiers]]",
        f'name = "{name}"',
        f"threshold = {value}" if value.startswith("{") else f'threshold = "{value}"',
    ]
    for ending, key in BENEFITS.items():
        if benefit.endswith(ending):
            lines.append(f'{key} = "{benefit.removesuffix(ending).strip()}"')
            break
    else:
        if benefit:
            lines.append(f'rate = "{benefit.strip()}"')
    return "\n".join([*lines, *(part.strip() for part in extra.split(";") if part.strip())])


def _check_excluded(trial: Trial, claim: list[str]) -> None:
    number, *rest = claim
    assert rest[:4] == ["does", "not", "count", "because"], f"cannot read {claim}"
    reasons = [entry.reason for _, entry in trial.excluded if entry.line.order_id == f"O{number}"]
    assert any(rest[4] in reason for reason in reasons), f"reasons: {reasons}"


def _check_row(row: TrialStanding, claim: list[str]) -> None:
    at = row.standing
    match claim:
        case ["earns", amount, *tier]:
            assert at.rebate == Decimal(amount), f"earns {at.rebate}: {[step.text for step in at.steps]}"
            if tier:
                assert tier[0] == "at"
                assert (at.tier or "none") == tier[1], f"is at {at.tier}"
        case ["is", "paid", amount]:
            assert row.paid == Decimal(amount), f"is paid {row.paid}"
        case ["carries", amount]:
            assert row.carried == Decimal(amount), f"carries {row.carried}"
        case ["is", "invoiced", amount]:
            assert row.invoiced == Decimal(amount), f"is invoiced {row.invoiced}"
        case ["needs", amount, "for", tier]:
            needs = {level.tier: level.need for level in at.higher_tiers}
            assert needs.get(tier) == Decimal(amount), f"needs {needs}"
        case ["then", "earns", amount, "at", tier]:
            rebates = {level.tier: level.rebate for level in at.higher_tiers}
            assert rebates.get(tier) == Decimal(amount), f"then earns {rebates}"
        case ["shares", *pairs]:
            expected = tuple(
                (name, Decimal(value)) for name, value in zip(pairs[::2], pairs[1::2], strict=True)
            )
            assert row.shares == expected, f"shares {row.shares}"
        case ["is", "adjusted", prior, "and", rate]:
            found = [(entry.prior_period, entry.rate) for entry in row.adjustments]
            assert found == [(Decimal(prior), Decimal(rate))], f"adjustments {found}"
        case ["has", value]:
            assert at.qualifier == Decimal(value), f"has {at.qualifier}"
        case ["is", "incomplete", "because", reason]:
            assert any(reason in entry for entry in at.incomplete), f"incomplete: {at.incomplete}"
        case ["says", words]:
            texts = [*(step.text for step in at.steps), *row.remarks]
            assert any(words in text for text in texts), f"says {texts}"
        case ["is", status]:
            assert at.status == status, f"is {at.status}"
        case _:
            raise ValueError(f"cannot read: {' '.join(claim)!r}")
