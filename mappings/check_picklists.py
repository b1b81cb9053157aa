"""What is written to a picklist, against the values that it offers: restricted ones refuse others, the rest takes them."""

from __future__ import annotations

from collections.abc import Collection

from mappings.describe import FieldDescribe
from mappings.model import Value
from mappings.problems import Finder, nearest
from mappings.record_currency import CURRENCY_PATHS
from mappings.vocabulary import ENUMS


def check_values(label: str, value: Value, field: FieldDescribe, finder: Finder) -> None:
    """All values that are not offered, in one message: an error where they are refused."""
    if field.restricted_picklist:
        _check_restricted(label, value, field, finder)
    elif field.type in ("picklist", "multipicklist"):
        _check_offered(label, value, field, finder)


def _check_restricted(label: str, value: Value, field: FieldDescribe, finder: Finder) -> None:
    """All missing values in one message."""
    have = field.picklist_values
    if value.from_ in CURRENCY_PATHS and value.values is None:
        return  # which currencies the programs have is compared elsewhere (`record_currency`)
    if value.text is not None or (value.const is None and value.from_ not in ENUMS and value.values is None):
        finder.error(
            "M303",
            f"{label} is a restricted picklist, and {value.from_ or 'the text'} can be anything",
            value.place,
            "write it to a text field, or let the picklist take values that are not defined",
        )
        return
    missing = [written for written in _writable(value) if written not in have]
    if not missing:
        return
    unused = finder.unused.get(value.from_ or "", ())
    needed = [one for one in missing if one not in unused]
    plural = "s" if len(missing) > 1 else ""
    told = f"{label} is a restricted picklist without the value{plural} " + ", ".join(
        f'"{v}"' for v in missing
    )
    at, way = value.place.of(missing[0]), _way(missing, value, have)
    if needed:
        finder.error("M303", told, at, way)
    else:
        finder.warning("M218", f"{told}, which no program in force comes to", at, way)


def _way(missing: list[str], value: Value, have: Collection[str]) -> str:
    """What to do. A word of ours that the mapping does not translate is added to its table: nobody misspelled it."""
    near = nearest(missing[0], have)
    if value.values is not None and missing[0] in ENUMS.get(value.from_ or "", ()):
        if near:
            return f'write {missing[0]} = "{near}" under values'
        return (
            f'`rebates org deploy`, if the field is of our package; then write {missing[0]} = "..." under values, with one of: '
            + ", ".join(have)
        )
    return (
        f'did you mean "{near}"?' if near and len(missing) == 1 else "it has: " + ", ".join(list(have)[:12])
    ) + ("" if value.values is not None or value.const is not None else "; translate with values = { ... }")


def _check_offered(label: str, value: Value, field: FieldDescribe, finder: Finder) -> None:
    """An unrestricted picklist takes any value from the API: one that is not active there is a stray that no list view,
    report or rule of the org knows."""
    have = field.picklist_values
    missing = [written for written in _writable(value) if written not in have]
    if not have or not missing:
        return
    near = nearest(missing[0], have)
    plural = "s" if len(missing) > 1 else ""
    finder.warning(
        "M215",
        f"{label} does not offer the value{plural} "
        + ", ".join(f'"{one}"' for one in missing)
        + ", and takes "
        f"{'them' if plural else 'it'} all the same: no list view, report or rule of the org knows {'them' if plural else 'it'}",
        value.place.of(missing[0]),
        (f'did you mean "{near}"?' if near and len(missing) == 1 else "it has: " + ", ".join(have[:12]))
        + (
            "" if value.const is not None or value.values is not None else "; translate with values = { ... }"
        ),
    )


def _writable(value: Value) -> list[str]:
    """Every text that the value can become."""
    if value.const is not None:
        return [str(value.const)]
    table = value.values or {}
    known = ENUMS.get(value.from_ or "", ())
    return list(
        dict.fromkeys([*(str(table.get(word, word)) for word in known), *(str(v) for v in table.values())])
    )
