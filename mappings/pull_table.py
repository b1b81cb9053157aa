"""`[pull.<entity>]` tables of a mapping file into PullEntity values."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import cast, get_args

from mappings.canonical import ENTITIES, Entity
from mappings.canonical import Kind as CanonicalKind
from mappings.expression import Expression, ExpressionError, parse
from mappings.model import SYSTEM_FIELDS, As, Case, PullEntity, Scalar, Sign, Source
from mappings.places import Node
from mappings.problems import Finder, did_you_mean
from mappings.settings import Settings, type_word
from mappings.where import relative_date, where_problem

PULL_SETTINGS = (
    "field", "first", "const", "expr", "values", "other", "default", "as", "trim", "case", "sign",
)  # fmt: skip

FIELD_PATH = re.compile(r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)*")
ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9_]*")
MAX_PARENTS = 5  # Salesforce's limit of child-to-parent steps in one path

# Words that people bring from other tools.
_ENTITY_HINTS = {"member": "account", "customer": "account", "partner": "account", "line": "order_line",
                 "order_item": "order_line", "orderitem": "order_line", "item": "order_line", "rate": "currency_rate"}  # fmt: skip

_AS_FOR_KIND: dict[CanonicalKind, tuple[As, ...]] = {
    "id": ("text",),
    "text": ("text", "date", "datetime", "decimal", "bool"),
    "bool": ("bool",),
    "amount": ("decimal", "percent"),
    "quantity": ("decimal", "percent"),
    "rate": ("decimal", "percent"),
    "day": ("date",),
    "moment": ("datetime",),
    "stamp": ("datetime",),
}


def read_pull(tables: Node, finder: Finder) -> dict[str, PullEntity]:
    """All entities of `[pull]`; problems go to the finder."""
    entities: dict[str, PullEntity] = {}
    if not tables.is_table:
        finder.error("M006", f"pull is {type_word(tables.value)} where a table is needed", tables.place)
        return entities
    for name, node in tables.value.items():
        if name not in ENTITIES:
            hint = _ENTITY_HINTS.get(name.lower())
            finder.error(
                "M001",
                f'unknown entity "{name}"',
                node.key_place.of(name),
                f'did you mean "{hint}"?' if hint else did_you_mean(name, ENTITIES),
            )
            continue
        entity = _read_entity(ENTITIES[name], node, finder)
        if entity is not None:
            entities[name] = entity
    return entities


def _read_entity(entity: Entity, node: Node, finder: Finder) -> PullEntity | None:
    table = Settings(node, finder)
    if not node.is_table:
        return None
    object_name = table.object_name(f"pull.{entity.name}")
    where = table.text("where")
    where_node = table.get("where")
    if where is not None and where_node is not None:
        if (problem := where_problem(where)) is not None:
            finder.error("M010", problem.message, where_node.place.of(problem.text), problem.help)
        elif (moving := relative_date(where)) is not None:
            finder.error("M018", moving.message, where_node.place.of(moving.text), moving.help)
    deleted = table.choice("deleted", ("keep", "ignore"), "keep")
    refresh = table.choice("refresh", ("changed", "daily"), "changed")
    fields_node = table.fields(f"pull.{entity.name}")
    if fields_node is None:
        return None
    fields: dict[str, Source] = {}
    for left, right in fields_node.value.items():
        source = _read_field(entity, left, right, finder)
        if source is not None:
            fields[left] = source
    _check_complete(entity, set(fields_node.value), fields_node, finder)
    return PullEntity(
        entity=entity.name,
        object=object_name or "",
        fields=fields,
        where=where,
        deleted="ignore" if deleted == "ignore" else "keep",
        refresh="daily" if refresh == "daily" else "changed",
        place=node.value["object"].place if "object" in table else node.place,
        where_place=where_node.place if where_node is not None else node.place,
    )


def _read_field(entity: Entity, left: str, right: Node, finder: Finder) -> Source | None:
    canonical = entity.field(left)
    if canonical is None:
        columns = [field.name for field in entity.fields]
        if not entity.has_attributes:
            finder.error(
                "M002",
                f'"{left}" is not a field of {entity.name}',
                right.key_place,
                did_you_mean(left, columns),
            )
            return None
        if not ATTRIBUTE_NAME.fullmatch(left):
            finder.error(
                "M002",
                f'"{left}" is not a name we can give to an attribute',
                right.key_place,
                did_you_mean(left, columns) or "small letters, digits and _",
            )
            return None
    kind: CanonicalKind = canonical.kind if canonical is not None else "text"
    if isinstance(right.value, str):
        _check_path(right, finder)
        return Source(paths=(right.value,), place=right.place)
    if not right.is_table:
        finder.error(
            "M006",
            f"{left} is {type_word(right.value)} where a field name or a table of settings is needed",
            right.place,
            help='for a fixed value write { const = ... }, for a choice of fields { first = ["...", "..."] }',
        )
        return None
    return _read_source(left, kind, right, finder)


def _read_source(left: str, kind: CanonicalKind, right: Node, finder: Finder) -> Source | None:
    table = Settings(right, finder)
    paths: tuple[str, ...] = ()
    field = table.text("field")
    if field is not None:
        _check_path(right.value["field"], finder)
        paths = (field,)
    firsts = table.texts("first")
    for node in firsts:
        _check_path(node, finder)
    paths += tuple(str(node.value) for node in firsts)
    const = table.scalar("const")
    expr = _read_expression(table, finder)
    single = table.one_origin(left, ("field", "first", "const", "expr"), PULL_SETTINGS)
    values = table.scalars("values")
    other = table.scalar("other")
    if other is not None and values is None and "values" not in table:
        finder.error("M012", "other has a meaning only beside values", right.value["other"].key_place)
    default = table.scalar("default")
    as_ = table.choice("as", get_args(As), "") or None
    if as_ is not None and as_ not in _AS_FOR_KIND[kind]:
        finder.error(
            "M013", f'{left} is a {kind} and cannot be read as "{as_}"', right.value["as"].place,
            help="here: " + ", ".join(_AS_FOR_KIND[kind]),
        )  # fmt: skip
    case = table.choice("case", ("lower", "upper"), "") or None
    sign = table.choice("sign", get_args(Sign), "") or None
    if sign is not None and kind not in ("amount", "quantity", "rate") and as_ != "decimal":
        finder.error("M013", f"{left} is a {kind} and has no sign", right.value["sign"].key_place)
    trim = table.flag("trim", False)
    table.close(PULL_SETTINGS)
    source = Source(
        paths=paths,
        const=const,
        expr=expr,
        values=values,
        other="error" if other is None else other,
        default=default,
        as_=cast(As | None, as_),
        trim=trim,
        case=cast(Case | None, case),
        sign=cast(Sign | None, sign),
        place=right.place,
    )
    _check_constants(left, kind, source, right, finder)
    return source if single else None


def _read_expression(table: Settings, finder: Finder) -> Expression | None:
    text = table.text("expr")
    if text is None:
        return None
    place = table.node.value["expr"].place
    try:
        expression = parse(text)
    except ExpressionError as error:
        culprit = text[error.offset : error.offset + error.length]
        finder.error("M014", error.message, place.of(culprit, error.offset), error.help)
        return None
    return expression


def _check_path(node: Node, finder: Finder) -> None:
    path = node.value
    if not FIELD_PATH.fullmatch(path):
        note = "mappings have no wildcards: name each field" if "*" in path else None
        finder.error("M009", f'"{path}" is not a field name', node.place, note=note)
    elif path.count(".") > MAX_PARENTS:
        finder.error("M009", f'"{path}" goes up more than {MAX_PARENTS} relationships', node.place)


def _check_constants(left: str, kind: CanonicalKind, source: Source, right: Node, finder: Finder) -> None:
    """Values written into the file must fit the left side, or no row ever could."""
    written: list[tuple[str, Scalar]] = []
    if source.const is not None:
        written.append(("const", source.const))
    if source.default is not None:
        written.append(("default", source.default))
    if source.values is not None:
        written.extend(("values", value) for value in source.values.values())
        if source.other not in ("error", "skip"):
            written.append(("other", source.other))
    for setting, value in written:
        if not _fits(kind, value):
            node = right.value[setting]
            finder.error(
                "M015", f"{left} needs {_KIND_WORDS[kind]}, not {_shown(value)}", node.place.of(str(value))
            )


_KIND_WORDS: dict[CanonicalKind, str] = {
    "id": "a record id", "text": "a text", "bool": "true or false", "amount": "a number", "quantity": "a number",
    "rate": "a number", "day": "a date as 2026-01-31", "moment": "a date-time", "stamp": "a date-time",
}  # fmt: skip


def _shown(value: Scalar) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _fits(kind: CanonicalKind, value: Scalar) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind in ("amount", "quantity", "rate"):
        try:
            return not isinstance(value, bool) and Decimal(value).is_finite()
        except InvalidOperation:
            return False
    if kind == "day":
        return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None
    return kind == "text" or isinstance(value, str)


def _check_complete(entity: Entity, mapped: set[str], fields: Node, finder: Finder) -> None:
    for field in entity.fields:
        if field.required and field.name not in mapped and field.name not in SYSTEM_FIELDS:
            finder.error(
                "M004", f"{entity.name}.{field.name} is required and not mapped", fields.key_place,
                help=f'add {field.name} = "..."',
            )  # fmt: skip
    if entity.name == "order" and not mapped & {"ordered_on", "ordered_at"}:
        finder.error(
            "M004",
            "order needs a day: ordered_on or ordered_at is not mapped",
            fields.key_place,
            help='add ordered_on = "EffectiveDate" (a date) or ordered_at = "ActivatedDate" (a date-time)',
        )
