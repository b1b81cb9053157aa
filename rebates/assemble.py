"""Read values into a Program: which key of the file becomes which part of the terms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from rebates.agreements import Agreement, ShipAndDebit
from rebates.calendars import Cut
from rebates.caps import Limits, Proration
from rebates.checks_of_days import LAST_DAY
from rebates.conditions import Condition, Filter
from rebates.currency import Conversion
from rebates.growth import Growth
from rebates.hierarchy import Belongs, Hierarchy
from rebates.markets import Market, overridden
from rebates.problems import Problem, problem
from rebates.program import Alerts, Program
from rebates.qualifiers import Dimension, Qualifier
from rebates.settle import Settlement
from rebates.stacking import Stacking
from rebates.tiers import Tier, named

Values = Mapping[str, Any]
Made = TypeVar("Made", bound=Program)
ONE = Decimal(1)


def program(values: Values, problems: list[Problem], made: type[Made]) -> Made:
    """Raises `InvalidProgram` with what the terms themselves do not allow; adds to `problems` what it notices."""
    qualifiers = _qualifiers(values, problems)
    tiers = named(tier(entry) for entry in values.get("tiers", ()))
    growth = _growth(values, tiers, problems)
    _amendment(values, problems)
    return made(
        key=values.get("key", "unnamed"),
        name=values.get("name", values.get("key", "")),
        currency=values.get("currency", "USD"),
        time_zone=values.get("time_zone", "UTC"),
        starts=values.get("starts", date(2000, 1, 1)),
        ends=values["ends"] if "starts" in values and "ends" in values else LAST_DAY,
        cut=Cut(
            values.get("period", "month"), values.get("anchor", "calendar"), values.get("fiscal_year_starts", 1),
            values.get("first_week"), values.get("long_years", ()),
        ),
        tiers=tiers,
        method=values.get("method", "retrospective"),
        qualifiers=qualifiers,
        join=values.get("join", "all"),
        gates=tuple(_qualifier(entry) for entry in values.get("gates", ())),
        measure=values.get("measure"),
        boundary=values.get("boundary", "reach"),
        whole_units=values.get("whole_units", False),
        members=values.get("members", Filter()),
        counts=values.get("counts", Filter()),
        measure_counts=values.get("measure_counts", Filter()),
        growth=growth,
        targets=values.get("targets", {}),
        limits=_limits(values),
        proration=Proration(**values.get("proration", {})),
        markets=tuple(_market(name, entry, tiers, problems) for name, entry in values.get("market", {}).items()),
        hierarchy=_hierarchy(values.get("hierarchy", {})),
        settlement=Settlement(
            grace_days=values.get("grace_days", 0), late_lines=values.get("late_lines", "adjust"),
            returns=values.get("returns", "own_period"), **values.get("settlement", {}),
        ),
        conversion=Conversion(values.get("currency_policy", "fixed" if "rates" in values else "line_date"), values.get("rates", {})),
        stacking=Stacking(**values.get("stacking", {})),
        special=_special(values.get("ship_and_debit", {})),
        alerts=_alerts(values.get("alerts", {})),
        effective_from=values.get("effective_from"),
        amendment=values.get("amendment", "latest"),
    )  # fmt: skip


def tier(values: Values) -> Tier:
    """One tier; `from`/`to` become the ends of a linear benefit."""
    rest = {key: value for key, value in values.items() if key not in ("from", "to", "threshold")}
    raw = values.get("threshold", Decimal(0))
    ends: dict[str, Any] = {}
    for name, field in (("from", "start"), ("to", "end")):
        if name in values:
            ends[field], ends["linear_in"] = values[name]
    if isinstance(raw, Mapping):
        first = next(iter(raw.values()), Decimal(0))
        return Tier(first, thresholds=dict(raw), **rest, **ends)
    return Tier(raw, **rest, **ends)


def _qualifier(values: Values) -> Qualifier:
    return Qualifier(**{**values, "of": values.get("of", "amount"), "name": values.get("name", "unnamed")})


def _qualifiers(values: Values, problems: list[Problem]) -> tuple[Qualifier, ...]:
    own = values.get("qualifier_counts", Filter())
    if "qualifiers" in values:
        for key in ("qualifier", "qualifier_counts"):
            if key in values:
                problems.append(
                    problem((key,), f"{key} and [[qualifiers]] say the same twice", f"leave out {key}")
                )
        return tuple(_qualifier(entry) for entry in values["qualifiers"])
    of = values.get("qualifier", "amount")
    growth = values.get("growth")
    gated = any(gate.get("of") == "growth" for gate in values.get("gates", ()))
    if growth is not None and of in ("amount", "quantity") and not gated:
        # A [growth] table beside a plain qualifier means the growth of that.
        return (Qualifier("qualifier", "growth", growth.get("on", of), own),)
    on: Dimension = (
        (growth or {}).get("on", "amount") if of == "growth" else values.get("measure") or "amount"
    )
    return (Qualifier("qualifier", of, on, own),)


def _growth(values: Values, tiers: tuple[Tier, ...], problems: list[Problem]) -> Growth | None:
    if "growth" not in values:
        return None
    table = dict(values["growth"])
    if "compare" not in table:
        table["compare"] = _compare(values, tiers, problems)
    given = table.get("baseline")
    if isinstance(given, Mapping):
        table["baselines"], table["baseline"] = {**given, **table.get("baselines", {})}, "fixed"
    elif isinstance(given, Decimal):
        table["for_everybody"], table["baseline"] = given, "fixed"
    elif table.get("baselines") and given is None:
        table["baseline"] = "fixed"
    if "on" not in table and values.get("qualifier") == "quantity":
        table["on"] = "quantity"
    return Growth(**table)


def _compare(values: Values, tiers: tuple[Tier, ...], problems: list[Problem]) -> str:
    """An index is never below 100 %, a growth rarely above; where both could be meant, the file must say."""
    name = next((q.get("name") for q in values.get("qualifiers", ()) if q.get("of") == "growth"), None)
    found = [tier.thresholds.get(name, tier.threshold) if name else tier.threshold for tier in tiers]
    if found and all(threshold < ONE for threshold in found):
        return "growth"
    if found and not all(threshold >= ONE for threshold in found):
        problems.append(
            problem(
                ("growth", "compare"),
                "some thresholds are below 100% and some are not",
                'compare = "index" (110% of the baseline) or "growth" (10% above it)',
            )
        )
    return "index"


def _amendment(values: Values, problems: list[Problem]) -> None:
    """Terms that begin later than their program: the file must say what holds for the days before, settled ones too."""
    begins = values.get("effective_from")
    if begins is None or "amendment" in values or begins <= values.get("starts", begins):
        return
    if any(entry.path == ("amendment",) for entry in problems):
        return  # there is one, and it cannot be read
    problems.append(
        problem(
            ("effective_from",),
            f"the file does not say what holds before {begins}",
            'amendment = "as_of": the earlier file\'s terms (keep it beside this one); amendment = "latest": these terms, '
            "and what was settled before is corrected",
            "missing-key",
        )
    )


def _limits(values: Values) -> Limits:
    names = (
        "max_payout",
        "max_payout_program",
        "budget",
        "budget_split",
        "min_payout",
        "guarantee",
        "guarantee_cumulative",
    )
    return Limits(**{name: values[name] for name in names if name in values})


def _market(name: str, values: Values, tiers: tuple[Tier, ...], problems: list[Problem]) -> Market:
    short = tuple(
        Condition("account", key, one_of=values[key]) for key in ("region", "type") if key in values
    )
    when = values.get("when", Filter()) + Filter(short)
    if not when.conditions:
        when = Filter((Condition("account", "region", one_of=(name,)),))
    own = values.get("tiers", [])
    if isinstance(own, Mapping):
        known = [entry.name for entry in tiers]
        for changed in own:
            if changed not in known:
                problems.append(
                    problem(
                        ("market", name, "tiers", changed),
                        f"the program has no tier {changed!r}",
                        f"tiers: {', '.join(known)}",
                    )
                )
        changes = {key: _change(change) for key, change in own.items()}
        ladder = overridden(tiers, changes)
    else:
        ladder = named(tier(entry) for entry in own)
    limits = {key: values[key] for key in ("max_payout", "min_payout", "guarantee") if key in values}
    return Market(name, when, ladder, limits or None)


def _change(values: Values) -> dict[str, object]:
    changed = tier(values)
    names = {"from": "start", "to": "end"}
    out: dict[str, object] = {names.get(key, key): getattr(changed, names.get(key, key)) for key in values}
    if changed.linear:
        out["linear_in"] = changed.linear_in
    return out


def _hierarchy(values: Values) -> Hierarchy:
    groups = tuple(
        Belongs(entry.get("account", ""), entry.get("group", ""), entry.get("first"), entry.get("last"))
        for entry in values.get("members", ())
    )
    roll_up = values.get("roll_up", "group" if groups else "none")
    return Hierarchy(roll_up, values.get("pay", "top"), groups, values.get("payees", {}))


def _special(values: Values) -> ShipAndDebit:
    agreements = tuple(
        Agreement(
            entry.get("name", ""),
            entry.get("reference", Decimal(0)),
            entry.get("price", Decimal(0)),
            entry.get("counts", Filter()),
        )
        for entry in values.get("agreements", ())
    )
    lines = values.get("lines", "price_difference" if agreements else "count")
    return ShipAndDebit(lines, agreements, values.get("field", "agreement"))


def _alerts(values: Values) -> Alerts:
    near = values.get("near_tier", {})
    value, kind = near.get("within", (None, "amount"))
    return Alerts(
        near_days=near.get("days_left"),
        near_within=value if kind == "amount" else None,
        near_within_share=value if kind == "rate" else None,
        closing_days=values.get("period_closing", {}).get("days_left"),
        cap_share=values.get("cap_share", ONE),
    )
