"""A view of a standing, an account, an event into one Salesforce record, as the mapping says.

A view is plain nested dicts: `{"standing": {"rebate": Decimal("7459.25"), …}, "member": {"id": …}, …}`, with the
names of `vocabulary.VALUES`. Amounts are Decimal, days `date`, instants aware `datetime`; None is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from mappings import template
from mappings.describe import ObjectDescribe
from mappings.model import Placeholder, PushTarget, Value, Verbatim
from mappings.rounding import currency_of, unit_for
from mappings.texts_out import cut, iso_instant, json_within, plain
from mappings.vocabulary import NUMBERS, kind_of

JsonValue = str | int | bool | Decimal | None
View = Mapping[str, Mapping[str, Any]]

CUT = ("string", "textarea", "picklist", "combobox")  # types of fields whose texts are cut to their length


@cache
def _origin(path: str) -> tuple[str, str, bool]:
    """Group and name of a path, and whether its value is written as JSON."""
    group, _, name = path.partition(".")
    return group, name, kind_of(path) == "json"


class MissingValue(LookupError):
    """The view lacks a value that the mapping asks for: a fault of the caller, not of the data."""


def record(target: PushTarget, view: View, zone: ZoneInfo | None = None) -> dict[str, JsonValue]:
    """The fields to write, by API name. A field whose value is empty is None (which clears it) or, with
    `clear = false`, left out. `zone` is where an instant written `as = "date"` takes its day (UTC if None).
    """
    return Writer(target, zone=zone).record(view)


class Common(dict[str, Any]):
    """A group of values that many views have in common, a program's or a period's: what a `Writer` makes of it is made once.
    Nobody changes it."""

    __slots__ = ("written",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.written: dict[Writer, dict[str, JsonValue]] = {}


class Writer:
    """`record` for many views: how each field is written is worked out once. Fields in `leave_out` are not written."""

    def __init__(
        self, target: PushTarget, *, leave_out: Collection[str] = (), zone: ZoneInfo | None = None
    ) -> None:
        self._own: list[_Field] = []
        self._of_groups: dict[
            str, list[_Field]
        ] = {}  # those that need nothing but their group, which may be common
        for name, value in target.fields.items():
            if name in leave_out:
                continue
            group = _origin(value.from_)[0] if value.from_ is not None else ""
            fields = self._of_groups.setdefault(group, []) if group in _MAY_BE_COMMON else self._own
            fields.append((name, value.clear, _writer(value, zone)))

    def record(self, view: View) -> dict[str, JsonValue]:
        out = _written_of(self._own, view)
        for group, fields in self._of_groups.items():
            values = view.get(group)
            if type(values) is Common:
                written = values.written.get(self)
                if written is None:
                    written = values.written[self] = _written_of(fields, view)
                out.update(written)
            else:
                out.update(_written_of(fields, view))
        return out


_Field = tuple[str, bool, Callable[[View], JsonValue]]  # its name, whether it may be cleared, what is written
# Names, days and words: nothing of them is written by what stands in another group, as an amount is by its currency.
_MAY_BE_COMMON = ("program", "period")


def _written_of(fields: Iterable[_Field], view: View) -> dict[str, JsonValue]:
    out: dict[str, JsonValue] = {}
    for name, clear, write in fields:
        written = write(view)
        if written is not None or clear:
            out[name] = written
    return out


def _writer(value: Value, zone: ZoneInfo | None) -> Callable[[View], JsonValue]:
    """Most fields take a value of the view as it is; the rest goes the long way round."""

    def at_length(view: View) -> JsonValue:
        return _written(value, view, zone)

    if value.from_ is None or value.as_ is not None:
        return at_length
    group, name, is_json = _origin(value.from_)
    if is_json:

        def as_json(view: View) -> JsonValue:
            try:
                return json_within(view[group][name], value.max_length)
            except KeyError:
                return at_length(view)

        return as_json
    length, translated = value.max_length, value.values
    unit_of = unit_for(value)

    def as_it_is(view: View) -> JsonValue:
        try:
            raw = view[group][name]
        except KeyError:
            return at_length(view)
        if raw is None:
            return None
        kind = type(raw)
        if kind is str:
            told = raw if translated is None else translated.get(raw, raw)
            if type(told) is not str:
                return _as_asked(told, value, view, zone)
            # no character is more than two units
            return (told if length is None or 2 * len(told) <= length else cut(told, length)) or None
        if kind is Decimal:
            unit = unit_of(view)
            return raw if unit is None else raw.quantize(unit, ROUND_HALF_UP)  # type: ignore[no-any-return]
        if kind is date:
            return raw.isoformat()  # type: ignore[no-any-return]
        return at_length(view)

    return as_it_is


def fitted(target: PushTarget, describe: ObjectDescribe) -> PushTarget:
    """The target with the lengths of the org's text fields and the decimals of its number fields, so that longer texts are
    cut and not refused, and a number is written as the org shows it.
    """
    fields = {}
    for name, value in target.fields.items():
        found = describe.field(name)
        if found is not None and found.type in NUMBERS:
            value = replace(value, scale=found.scale)
        elif found is not None and found.length > 0 and found.type in CUT:
            value = replace(value, max_length=found.length)
        fields[name] = value
    return replace(target, fields=fields)


def _written(value: Value, view: View, zone: ZoneInfo | None) -> JsonValue:
    if value.text is not None:
        return cut(_rendered(value.text, view), value.max_length)
    if value.const is not None:
        return _whole(value.const) if isinstance(value.const, Decimal) else value.const
    assert value.from_ is not None, "a Value has one origin"
    group, name, is_json = _origin(value.from_)
    try:
        raw = view[group][name]
    except KeyError:
        raw = _look_up(view, value.from_)
    if is_json:
        return json_within(raw, value.max_length)
    if value.values is not None and isinstance(raw, str):
        raw = value.values.get(raw, raw)
    return _as_asked(raw, value, view, zone)


def _as_asked(raw: Any, value: Value, view: View, zone: ZoneInfo | None) -> JsonValue:
    if raw is None or raw == "":
        return None
    if isinstance(raw, str):
        return cut(raw, value.max_length)
    if isinstance(raw, bool):
        return str(raw).lower() if value.as_ == "text" else raw
    if isinstance(raw, (Decimal, int)):
        number = raw * 100 if value.as_ == "percent" else raw
        if value.round is not None or isinstance(number, Decimal):
            unit = unit_for(value)(view)
            number = number if unit is None else Decimal(number).quantize(unit, rounding=ROUND_HALF_UP)
        if value.as_ == "text":
            return plain(Decimal(number))
        return number
    if isinstance(raw, datetime):
        if value.as_ == "date":
            return raw.astimezone(zone or UTC).date().isoformat()
        return iso_instant(raw)
    if isinstance(raw, date):
        return raw.isoformat()
    raise TypeError(f"{value.from_} is {type(raw).__name__}, which no field can hold")


def _look_up(view: View, path: str) -> Any:
    group, _, name = path.partition(".")
    try:
        values = view[group]
        if group == "event" and name not in values and name in ("headline", "detail"):
            return _event_words(view)[name]
        return values[name]
    except KeyError as error:
        raise MissingValue(f"the view has no {path}") from error


def _event_words(view: View) -> dict[str, str]:
    """What an event says when the caller did not word it."""
    headline, detail = _EVENT_WORDS[_look_up(view, "event.kind")]
    if _look_up(view, "event.kind") == "tier_lost" and _look_up(view, "standing.to_next_tier") is None:
        detail = _LOST_TO_SOMETHING_ELSE
    if _look_up(view, "standing.tier_until") > _look_up(
        view, "period.last_day"
    ):  # of a window over several periods
        detail = _IN_A_WINDOW.get(_look_up(view, "event.kind"), detail)
    return {
        "headline": _rendered(template.parse(headline), view),
        "detail": _rendered(template.parse(detail), view),
    }


_NEXT = "{standing.days_left:days} left in {program.name}, {period.name}."
_LOST_TO_SOMETHING_ELSE = "The rebate is {standing.rebate:money} now. " + _NEXT  # not a matter of buying more
_IN_A_WINDOW = {
    "near_tier": "{standing.next_tier} is worth {standing.uplift:money} more. "
    + _NEXT
    + " What is bought later counts toward it, too, until {standing.tier_until:date}.",
    "at_risk": "At this pace the tier is below {event.tier} on {standing.tier_until:date}. " + _NEXT,
}
_EVENT_WORDS = {
    "near_tier": (
        "{standing.to_next_tier:qualifier} to {standing.next_tier}",
        "{standing.next_tier} is worth {standing.uplift:money} more. " + _NEXT,
    ),
    "at_risk": (
        "{event.tier} is at risk",
        "At this pace the period ends below {event.tier}. " + _NEXT,
    ),
    "tier_reached": (
        "{event.tier} reached",
        "{standing.benefit} in {program.name}, {period.name}: the rebate is {standing.rebate:money} now.",
    ),
    "tier_lost": (
        "{event.tier} lost",
        "{standing.to_next_tier:qualifier} bring it back. The rebate is {standing.rebate:money} now. "
        + _NEXT,
    ),
    "cap_reached": (
        "the rebate has come to its cap",
        "{standing.rebate:money} in {program.name}, {period.name}, and no more.",
    ),
    "period_closing": (
        "{standing.days_left:days} left in {period.name}",
        "The rebate in {program.name} is {standing.rebate:money} now.",
    ),
}


def _rendered(pieces: tuple[Verbatim | Placeholder, ...], view: View) -> str:
    return "".join(
        piece.text if isinstance(piece, Verbatim) else _shown(piece, view) for piece in pieces
    ).strip()


def _shown(piece: Placeholder, view: View) -> str:
    raw = _look_up(view, piece.path)
    if raw is None:
        return ""
    match piece.format:
        case "money":
            return template.money(Decimal(raw), currency_of(view))
        case "qualifier":
            return qualifier_text(Decimal(raw), view)
        case "percent":
            return template.percent(Decimal(raw))
        case "number":
            return template.number(Decimal(raw))
        case "days":
            return template.days(int(raw))
        case "date":
            return template.date_words(raw.isoformat())
    if isinstance(raw, Decimal):
        return plain(raw)
    return raw.isoformat() if isinstance(raw, date) else str(raw)


def qualifier_text(value: Decimal, view: View) -> str:
    """Money or units, by what the program's tiers are counted in."""
    if _look_up(view, "program.qualifier") == "quantity":
        return template.units(value)
    return template.money(value, currency_of(view))


def _whole(value: Decimal) -> int | Decimal:
    return int(value) if value == value.to_integral_value() else value
