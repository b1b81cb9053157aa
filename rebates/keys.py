"""Every key of a program file, once: the reader, the did-you-mean, the JSON Schema and the docs all use this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rebates.calendars import MONTHS_OF, RETAIL
from rebates.caps import PRORATED
from rebates.qualifiers import KINDS

Kind = Literal[
    "text", "money", "rate", "threshold", "choice", "choices", "date", "whole", "wholes", "bool", "texts", "filter",
    "table", "tables", "named", "amounts", "within", "period", "stacking", "end", "baseline", "accounts",
]  # fmt: skip


@dataclass(frozen=True)
class Key:
    """`kind` says how it is read; `of` names the section a table's keys are listed under."""

    name: str
    kind: Kind
    doc: str
    choices: tuple[str, ...] = ()
    required: bool = False
    of: str = ""


_ROLES = ("amount", "quantity")

SECTIONS: dict[str, tuple[Key, ...]] = {
    "program": (
        Key("key", "text", "Short name without spaces; stays the same over all versions.", required=True),
        Key("name", "text", "The name that people see."),
        Key("currency", "text", "ISO 4217 code that thresholds and rebates are in (default USD)."),
        Key("time_zone", "text", "IANA name; days are cut here (default UTC)."),
        Key("starts", "date", "First day that counts.", required=True),
        Key("ends", "date", "Last day that counts.", required=True),
        Key(
            "period",
            "period",
            'month, quarter, half_year, year, program, week, "2 weeks", "4 months", or 4-4-5, 4-5-4, 5-4-4.',
        ),
        Key(
            "anchor",
            "choice",
            "Whether periods follow the calendar or the month (week) the program starts in.",
            ("calendar", "program"),
        ),
        Key("fiscal_year_starts", "whole", "First month of the fiscal year, 1 to 12 (default 1)."),
        Key("first_week", "date", "First day of a fiscal year of a 4-4-5 calendar."),
        Key("long_years", "wholes", "Which years of a 4-4-5 calendar have 53 weeks, counted from 0."),
        Key(
            "method",
            "choice",
            "retrospective: the reached tier pays on everything; stepped: each band pays its own.",
            ("retrospective", "stepped"),
        ),
        Key("qualifier", "choice", "What decides the tier.", KINDS[:4]),
        Key(
            "measure",
            "choice",
            "What is paid on; left out, each tier pays on what its benefit needs.",
            _ROLES,
        ),
        Key("boundary", "choice", "reach: at the threshold; exceed: above it.", ("reach", "exceed")),
        Key("whole_units", "bool", "Only full units count, and unit no. T is the first of the tier from T."),
        Key("join", "choice", "Whether all or any of several qualifiers must reach a tier.", ("all", "any")),
        Key("members", "filter", "Which accounts take part (left out: all)."),
        Key("counts", "filter", "Which lines count (left out: all)."),
        Key("qualifier_counts", "filter", "Narrows the lines that decide the tier."),
        Key("measure_counts", "filter", "Narrows the lines that are paid on."),
        Key("qualifiers", "tables", "Several qualifiers, each with its own filter.", of="qualifier"),
        Key(
            "gates",
            "tables",
            "Conditions that must all hold before the tiers pay anything; special prices are paid all the same.",
            of="gate",
        ),
        Key("tiers", "tables", "The ladder, thresholds rising.", of="tier"),
        Key("growth", "table", "How growth is measured.", of="growth"),
        Key("targets", "amounts", "Targets per account id, for attainment."),
        Key("market", "named", "Terms of one market, by name.", of="market"),
        Key("hierarchy", "table", "Parents and buying groups.", of="hierarchy"),
        Key("settlement", "table", "Qualifying window and claw-back.", of="settlement"),
        Key("grace_days", "whole", "Days after a period in which its lines may still arrive."),
        Key(
            "late_lines",
            "choice",
            "adjust: later lines become adjustments in the open period; ignore: they do not count.",
            ("adjust", "ignore"),
        ),
        Key(
            "returns",
            "choice",
            "Whether a return counts on its own day or on the original order's.",
            ("own_period", "original_period"),
        ),
        Key("max_payout", "money", "Most that a member gets in a period."),
        Key("max_payout_program", "money", "Most that a member gets over the whole program."),
        Key("budget", "money", "Most that all members together get in a period."),
        Key(
            "budget_split",
            "choice",
            "first_come: by first order; pro_rata: everybody gets the same part.",
            ("first_come", "pro_rata"),
        ),
        Key("min_payout", "money", "Below this nothing is paid; the amount is carried forward."),
        Key("guarantee", "money", "Least that a member gets in a period."),
        Key(
            "guarantee_cumulative",
            "bool",
            "What a period earns above its guarantee counts toward the next one's.",
        ),
        Key("proration", "table", "What shrinks with a piece of a period.", of="proration"),
        Key(
            "currency_policy",
            "choice",
            "Which rate converts a line.",
            ("line_date", "period_end", "period_average", "fixed"),
        ),
        Key("rates", "amounts", "Fixed rates: program currency for one unit of the other, by code."),
        Key("stacking", "stacking", "How it behaves beside other programs.", of="stacking"),
        Key("ship_and_debit", "table", "Lines sold at a special price.", of="ship_and_debit"),
        Key(
            "effective_from",
            "date",
            "First day of this version's terms; `amendment` says what holds before it.",
        ),
        Key(
            "amendment",
            "choice",
            "as_of: earlier lines keep the earlier version's terms; latest: the newest terms hold for all, and what was settled is corrected.",
            ("as_of", "latest"),
        ),
        Key("alerts", "table", "When to speak up.", of="alerts"),
    ),
    "tier": (
        Key("name", "text", "What people call it."),
        Key("threshold", "threshold", "Where it begins; the next tier's threshold ends it.", required=True),
        Key("rate", "rate", 'Part of the revenue: "15%".'),
        Key("per_unit", "money", "Amount for each unit."),
        Key("amount", "money", "Fixed amount; in a stepped program the reached amounts add up."),
        Key("max_measure", "money", "Most that this tier is paid on."),
        Key("back_to_first", "bool", "In a stepped program: this tier takes all bands below it along."),
        Key("boundary", "choice", "This tier's own boundary.", ("reach", "exceed")),
        Key("per", "money", "The benefit is paid for every full such increment above the threshold."),
        Key("from", "end", "Benefit at the threshold, growing in a straight line …"),
        Key("to", "end", "… to this, at the next tier's threshold or at `until`."),
        Key("until", "threshold", "Where a linear benefit ends."),
    ),
    "qualifier": (
        Key("name", "text", "Short name, used in the tiers' thresholds.", required=True),
        Key("of", "choice", "What is measured.", KINDS, required=True),
        Key("on", "choice", "Dimension of growth, attainment, mix and bought categories.", _ROLES),
        Key("counts", "filter", "Its own lines, within the program's `counts`."),
        Key("field", "text", "Field that tells categories apart: product.family."),
        Key("values", "texts", "The categories that count."),
        Key("each_above", "money", "A category counts when more than this was bought (default 0)."),
    ),
    "growth": (
        Key("mode", "choice", "What the rate is paid on.", ("whole", "excess", "banded")),
        Key(
            "baseline",
            "baseline",
            "Where the baseline comes from; or an amount for everybody, or a table of amounts per account id.",
            ("same_period_last_year", "fixed", "average"),
        ),
        Key("years", "whole", "How many earlier years an average takes."),
        Key("on", "choice", "Growth in money or in units.", _ROLES),
        Key(
            "compare",
            "choice",
            "Thresholds as index (110%), growth (10%) or difference.",
            ("index", "growth", "difference"),
        ),
        Key("zero", "choice", "What a zero baseline means.", ("no_rebate", "any_sale", "as_100_percent")),
        Key("minimum", "money", "A smaller or missing baseline counts as this."),
        Key("indexed", "rate", "Raises the baseline: prices went up by this much."),
        Key(
            "new_members",
            "choice",
            "Whether a member that joined within the period has a shorter baseline.",
            ("none", "prorate"),
        ),
        Key("baselines", "amounts", "Fixed baselines per account id."),
    ),
    "market": (
        Key(
            "when",
            "filter",
            "Which accounts are in this market (left out: those whose region is the market's name).",
        ),
        Key("region", "texts", 'Short for when.region = ["…"].'),
        Key("type", "texts", 'Short for when.type = ["…"].'),
        Key(
            "tiers",
            "tables",
            "A ladder of its own, or tables by tier name that change single keys.",
            of="tier",
        ),
        Key("max_payout", "money", "This market's cap."),
        Key("min_payout", "money", "This market's minimum payout."),
        Key("guarantee", "money", "This market's guarantee."),
    ),
    "hierarchy": (
        Key(
            "roll_up",
            "choice",
            "parent: to the nearest enrolled account above; group: to an explicit buying group.",
            ("none", "parent", "group"),
        ),
        Key("pay", "choice", "top: the parent or the group gets all; share: by volume.", ("top", "share")),
        Key("members", "tables", "Who belongs to which group, and when.", of="belongs"),
        Key(
            "payees",
            "accounts",
            "The account that a group is paid through, by group name (left out: the group goes by its own name).",
        ),
    ),
    "belongs": (
        Key("account", "text", "Account id.", required=True),
        Key("group", "text", "Name of the group.", required=True),
        Key("first", "date", "First day."),
        Key("last", "date", "Last day that counts."),
    ),
    "settlement": (
        Key(
            "window",
            "choice",
            "What the tier is counted over, from its beginning to the end of the period.",
            ("period", "quarter", "half_year", "year", "program"),
        ),
        Key(
            "claw_back",
            "choice",
            "What happens when more was settled than is due.",
            ("next_payout", "carry_forward", "invoice", "waive"),
        ),
    ),
    "proration": (
        Key(
            "by",
            "choice",
            "How the piece of the period that a member took part in is counted.",
            ("none", "days", "months"),
        ),
        Key("of", "choices", "What shrinks with it; thresholds in money or units only.", PRORATED),
        Key("annual", "choices", "Values that are written for a year and shrink to the period.", PRORATED),
    ),
    "stacking": (
        Key(
            "mode",
            "choice",
            "parallel: on the same base; exclusive: only the best deal of the group; sequential: one after the other.",
            ("parallel", "exclusive", "sequential"),
        ),
        Key("group", "text", "Programs that know of each other."),
        Key("order", "whole", "Place in the sequence."),
        Key(
            "base",
            "choice",
            "Whether it is paid on what the earlier ones left, or on everything.",
            ("reduced", "full"),
        ),
        Key("reduces", "bool", "Whether it lowers the base of the later ones."),
    ),
    "ship_and_debit": (
        Key(
            "lines",
            "choice",
            "What to do with lines that name an agreement.",
            ("count", "exclude", "price_difference"),
        ),
        Key("field", "text", "The line field that names the agreement (default agreement)."),
        Key("agreements", "tables", "Special prices.", of="agreement"),
    ),
    "agreement": (
        Key("name", "text", "As the lines name it.", required=True),
        Key("reference", "money", "Reference price of a unit.", required=True),
        Key("price", "money", "Contract price of a unit.", required=True),
        Key("counts", "filter", "Which of its lines count."),
    ),
    "alerts": (
        Key("near_tier", "table", "When a gap is worth an alert.", of="near_tier"),
        Key("period_closing", "table", "When a period's end is near.", of="period_closing"),
        Key("cap_share", "rate", "The part of a cap that is news (default 100%)."),
    ),
    "near_tier": (
        Key("days_left", "whole", "Only in the last so many days."),
        Key("within", "within", 'Largest gap: an amount, or "10%" of the threshold.'),
    ),
    "period_closing": (Key("days_left", "whole", "So many days before the last."),),
}
SECTIONS["gate"] = (
    *SECTIONS["qualifier"][:-3],
    *SECTIONS["qualifier"][-3:],
    Key("at_least", "threshold", "What opens the gate.", required=True),
)

PERIODS = (*MONTHS_OF, "program", "week", *RETAIL)


def names(section: str) -> list[str]:
    return [key.name for key in SECTIONS[section]]
