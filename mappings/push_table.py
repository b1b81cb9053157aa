"""`[push.<target>]` tables of a mapping file into PushTarget values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from mappings.model import As, Placeholder, PushTarget, Value, Verbatim, When
from mappings.places import Node
from mappings.problems import Finder, Place, did_you_mean
from mappings.rounding import BY_CURRENCY
from mappings.settings import Settings, type_word
from mappings.template import FORMATS, TemplateError, parse
from mappings.vocabulary import ENUMS, EVENTS, PATHS, READS, VALUES, kind_of

PUSH_SETTINGS = ("from", "const", "text", "values", "as", "round", "clear")
FIELD_NAME = re.compile(r"[A-Za-z]\w*")
NOTIFICATION_FIELDS = ("title", "body")
MAX_PLACES = 6  # millionths are what is kept
WHEN = get_args(When)
ONCE_PER = ("period",)
INSTEAD_OF_WHEN = {
    "always": 'when = "changed": what did not change is never written again; `rebates reconcile` puts back what people '
    "changed in the org",
}
INSTEAD_OF_ONCE_PER = {
    "event": 'once_per = "period", or leave it out: an event is told once a member, program, period and tier',
}

# Longest texts of standard fields that we write; our own fields' lengths come from the describe.
_LENGTHS = {
    ("Task", "Subject"): 255,
    ("Task", "Description"): 32000,
    ("", "title"): 250,
    ("", "body"): 750,
}


@dataclass(frozen=True)
class _Target:
    object: bool = True
    events: bool = False
    match_required: bool = False
    reads: bool = False  # what people write into our records, read back
    closes: bool = False  # its records are closed by us, with a status


TARGETS = {
    "standing": _Target(match_required=True),
    "account": _Target(match_required=True),
    "payout": _Target(match_required=True, reads=True),
    "task": _Target(events=True, closes=True),
    "notification": _Target(object=False, events=True),
}


def read_push(tables: Node, namespace: str, finder: Finder) -> dict[str, PushTarget]:
    """All targets of `[push]`, names of our package with the namespace before them; problems go to the finder."""
    targets: dict[str, PushTarget] = {}
    if not tables.is_table:
        finder.error("M006", f"push is {type_word(tables.value)} where a table is needed", tables.place)
        return targets
    for name, node in tables.value.items():
        if name not in TARGETS:
            finder.error(
                "M001", f'unknown target "{name}"', node.key_place.of(name), did_you_mean(name, TARGETS)
            )
            continue
        target = _read_target(name, node, namespace, finder)
        if target is not None:
            targets[name] = target
    return targets


def with_namespace(name: str, namespace: str) -> str:
    """`Rebate_Tier__c` as `acme__Rebate_Tier__c`; standard names and names that have one stay as they are."""
    stem, suffix = name[:-3], name[-3:]
    if not namespace or suffix not in ("__c", "__r") or "__" in stem:
        return name
    return f"{namespace}__{name}"


def _read_target(name: str, node: Node, namespace: str, finder: Finder) -> PushTarget | None:
    allowed = TARGETS[name]
    table = Settings(node, finder)
    if not node.is_table:
        return None
    object_name = ""
    if allowed.object:
        object_name = table.object_name(f"push.{name}") or ""
    match = table.text("match") if allowed.object else None
    if allowed.match_required and "match" not in table:
        finder.error(
            "M008", f"push.{name} does not say which field records are matched on", node.place,
            help="add match = the external id field, or Id",
        )  # fmt: skip
    when = table.choice("when", WHEN, "changed", INSTEAD_OF_WHEN)
    on: tuple[str, ...] = ()
    type_name = None
    if allowed.events:
        on = tuple(_known_event(item, finder) for item in table.texts("on"))
        if "on" not in table:
            finder.error(
                "M008", f"push.{name} does not say on which events", node.place, 'add on = ["near_tier"]'
            )
        table.choice("once_per", ONCE_PER, "period", INSTEAD_OF_ONCE_PER)
    if not allowed.object:
        type_name = table.text("type")
        if "type" not in table:
            finder.error(
                "M008", f"push.{name} does not say of which type", node.place, 'add type = "Rebate_Alert"'
            )
    closed_status = table.text("closed_status") if allowed.closes else None
    reads = _reads(table, name, namespace, finder) if allowed.reads else {}
    fields_node = table.fields(f"push.{name}")
    if fields_node is None:
        return None
    fields: dict[str, Value] = {}
    for left, right in fields_node.value.items():
        value = _read_value(name, object_name, left, right, finder)
        if value is not None:
            fields[with_namespace(left, namespace)] = value
    if name == "notification":
        for missing in sorted(set(NOTIFICATION_FIELDS) - set(fields_node.value)):
            finder.error("M004", f"notification.{missing} is required and not mapped", fields_node.key_place)
    return PushTarget(
        name=name,
        object=with_namespace(object_name, namespace),
        fields=fields,
        match=with_namespace(match, namespace) if match else None,
        when=cast(When, when),
        on=on,
        type=type_name,
        reads=reads,
        closed_status=closed_status,
        place=node.value["object"].place if "object" in table else node.place,
        match_place=node.value["match"].place if "match" in table else node.place,
        closed_place=node.value["closed_status"].place if "closed_status" in table else node.place,
    )


def _reads(table: Settings, name: str, namespace: str, finder: Finder) -> dict[str, str]:
    """`[push.<target>.reads]`: our name → the Salesforce field in which people write it."""
    node = table.of_type("reads", dict)
    found: dict[str, str] = {}
    for left, right in node.value.items() if node is not None else ():
        if left not in READS:
            finder.error(
                "M005", f'push.{name} reads no "{left}"', right.key_place.of(left), did_you_mean(left, READS)
            )
        elif not isinstance(right.value, str) or not FIELD_NAME.fullmatch(right.value):
            finder.error(
                "M009", f"{left} is read from a field; {right.value!r} is not a field name", right.place
            )
        else:
            found[left] = with_namespace(right.value, namespace)
    return found


def _known_event(item: Node, finder: Finder) -> str:
    if item.value not in EVENTS:
        finder.error(
            "M007", f'there is no event "{item.value}"', item.place, did_you_mean(item.value, EVENTS)
        )
    return str(item.value)


def _read_value(target: str, object_name: str, left: str, right: Node, finder: Finder) -> Value | None:
    if target == "notification" and left not in NOTIFICATION_FIELDS:
        finder.error(
            "M002",
            f'a notification has no "{left}"',
            right.key_place,
            did_you_mean(left, NOTIFICATION_FIELDS),
        )
        return None
    if not FIELD_NAME.fullmatch(left):
        finder.error("M009", f'"{left}" is not a field name', right.key_place)
        return None
    length = _LENGTHS.get((object_name, left))
    if isinstance(right.value, str):
        _check_value_path(right.value, right.place, finder)
        return Value(from_=right.value, max_length=length, place=right.place)
    if not right.is_table:
        finder.error(
            "M006",
            f"{left} is {type_word(right.value)} where the name of a value or a table of settings is needed",
            right.place,
            help="for a fixed value write { const = ... }",
        )
        return None
    table = Settings(right, finder)
    from_ = table.text("from")
    if from_ is not None:
        _check_value_path(from_, right.value["from"].place, finder)
    const = table.scalar("const")
    text = _read_template(table, finder)
    single = table.one_origin(left, ("from", "const", "text"), PUSH_SETTINGS)
    values = table.scalars("values")
    if values is not None and from_ in ENUMS:
        for key in values:
            if key not in ENUMS[from_]:
                place = right.value["values"].value[key].key_place
                finder.error("M005", f'{from_} is never "{key}"', place, did_you_mean(key, ENUMS[from_]))
    as_ = table.choice("as", get_args(As), "") or None
    if as_ is not None and from_ is not None and not _can_be(from_, as_):
        finder.error("M013", f'{from_} cannot be written as "{as_}"', right.value["as"].place)
    round_ = _read_round(table, from_, finder)
    clear = table.flag("clear", True)
    table.close(PUSH_SETTINGS)
    if not single:
        return None
    return Value(
        from_=from_,
        const=const,
        text=text,
        values=values,
        as_=cast(As | None, as_),
        round=round_,
        clear=clear,
        max_length=length,
        place=right.place,
    )


def _read_round(table: Settings, from_: str | None, finder: Finder) -> int | Literal["currency"] | None:
    """A number of decimals, or `"currency"`: as many as the program's currency has."""
    node = table.get("round")
    if node is not None and node.value == BY_CURRENCY:
        if from_ is None or kind_of(from_) not in (None, "amount", "qualifier"):
            finder.error("M015", f'round = "{BY_CURRENCY}" is for amounts of money', node.place)
        return BY_CURRENCY
    node = table.of_type("round", int)
    if node is None:
        return None
    if not 0 <= node.value <= MAX_PLACES:
        told = f'round is a number of decimals, 0 to {MAX_PLACES}, or "{BY_CURRENCY}"'
        finder.error("M015", told, node.place)
    return int(node.value)


def _read_template(table: Settings, finder: Finder) -> tuple[Verbatim | Placeholder, ...] | None:
    text = table.text("text")
    if text is None:
        return None
    place = table.node.value["text"].place
    try:
        pieces = parse(text)
    except TemplateError as error:
        culprit = text[error.offset : error.offset + error.length]
        finder.error("M016", error.message, place.of(culprit), error.help)
        return None
    for piece in pieces:
        if isinstance(piece, Placeholder):
            _check_placeholder(piece, place, finder)
    return pieces


def _check_placeholder(piece: Placeholder, place: Place, finder: Finder) -> None:
    at = place.of(f"{{{piece.path}").of(piece.path)
    if not _check_value_path(piece.path, at, finder) or piece.format is None:
        return
    at = place.of(f"{piece.path}:{piece.format}").of(piece.format, len(piece.path))
    if piece.format not in FORMATS:
        finder.error("M016", f'there is no format "{piece.format}"', at, did_you_mean(piece.format, FORMATS))
    elif kind_of(piece.path) not in FORMATS[piece.format]:
        finder.error(
            "M016", f'{piece.path} is a {kind_of(piece.path)} and cannot be shown as "{piece.format}"', at
        )


def _check_value_path(path: str, place: Place, finder: Finder) -> bool:
    if kind_of(path) is not None:
        return True
    group, _, name = path.partition(".")
    if group in VALUES and name:
        suggestion = did_you_mean(name, VALUES[group])
        if suggestion is not None and suggestion.startswith('did you mean "'):
            suggestion = suggestion.replace('"', f'"{group}.', 1)
    else:
        suggestion = did_you_mean(path, PATHS)
    finder.error("M005", f'there is no value "{path}"', place, suggestion)
    return False


def _can_be(path: str, as_: str) -> bool:
    kind = kind_of(path)
    if kind is None or as_ == "text":
        return True
    if as_ in ("decimal", "percent"):
        return kind in ("amount", "quantity", "qualifier", "rate", "int")
    if as_ == "date":
        return kind in ("day", "moment")
    if as_ == "datetime":
        return kind == "moment"
    return kind == "bool"
