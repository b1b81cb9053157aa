"""A first mapping for an org: the one that ships, fitted to what the org has, with the choices that are left as comments."""

from __future__ import annotations

import re

from mappings.describe import FieldDescribe, ObjectDescribe
from mappings.fieldpaths import Describes
from mappings.file import parse_mapping, standard_text
from mappings.pull_table import ATTRIBUTE_NAME

_REGION_LABELS = ("region", "sales region", "territory", "sales territory")
_NOT_IN_COMMENTS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SHOWN_VALUES = 4
_MOST_OFFERED = 12
_OFFERED_TYPES = frozenset({"picklist", "boolean", "reference"})
# Where a customer's own fields are offered as attributes, and for which entity.
_OFFERED_ON = {"account": "Account", "product": "Product2", "order": "Order"}


def initial_mapping(describes: Describes) -> str:
    """The text of a mapping file for the org. Pure: the same describes give the same text.

    Fields of the standard mapping that the integration user cannot see are commented out with a word on why; an
    org with several currencies gets them mapped; the org's own fields are offered as attributes, commented out.
    """
    lines = standard_text().splitlines()
    lines = _with_currencies(lines) if _has_currencies(describes) else lines
    lines = _with_region(lines, describes.get("Account"))
    lines = _without_unseen(lines, describes)
    lines = _with_offers(lines, describes)
    text = "\n".join(lines) + "\n"
    parse_mapping(text, "mapping.toml")  # a text that cannot be read is a fault here, not the admin's
    return text


def _has_currencies(describes: Describes) -> bool:
    order = describes.get("Order")
    return order is not None and order.field("CurrencyIsoCode") is not None


def _with_currencies(lines: list[str]) -> list[str]:
    """The lines on currencies, no longer comments."""
    out = []
    inside = False
    for line in lines:
        inside = (inside or line.startswith("# [pull.currency_rate]")) and line.startswith("#")
        wanted = inside or line.startswith('# currency = "CurrencyIsoCode"')
        out.append(re.sub(r"\s+#.*$", "", line.removeprefix("# ")) if wanted else line)
    return out


def _with_region(lines: list[str], account: ObjectDescribe | None) -> list[str]:
    """The account's own region field where there is one, by its label; else the country."""
    fields = list(account.fields.values()) if account is not None else []
    region = next((f for f in fields if f.name.endswith("__c") and f.label.lower() in _REGION_LABELS), None)
    if region is None:
        return lines
    return [f'region = "{region.name}"' if line.startswith("region = ") else line for line in lines]


def _without_unseen(lines: list[str], describes: Describes) -> list[str]:
    """Optional fields that the integration user cannot see, as comments; required ones stay, for the check to name."""
    out = []
    described: ObjectDescribe | None = None
    pulling = False
    for line in lines:
        if line.startswith("["):
            pulling = line.startswith("[pull.")
        elif match := re.match(r'object = "(\w+)"', line):
            described = describes.get(match[1])
        elif (
            pulling
            and described is not None
            and (match := re.match(r'(\w+) = .*?"(\w+)"', line))
            and described.field(match[2]) is None
            and match[1] in _OPTIONAL
        ):
            line = f"# {line}   # not visible to the integration user"
        out.append(line)
    return out


_OPTIONAL = frozenset(
    {"parent_id", "type", "region", "code", "family", "number", "original_order_id", "currency"}
)


def _with_offers(lines: list[str], describes: Describes) -> list[str]:
    """After each entity's fields, the org's own fields that programs could choose by."""
    text = "\n".join(lines)
    out = list(lines)
    for entity, object_name in _OFFERED_ON.items():
        described = describes.get(object_name)
        offers = [
            _offer(field)
            for field in (described.fields.values() if described is not None else ())
            if _is_offered(field) and f'"{field.name}"' not in text
        ]
        if offers:
            at = out.index(f"[pull.{entity}.fields]") + 1
            while out[at].strip():
                at += 1
            out[at:at] = [
                "# Your own fields, to choose members, products and orders by:",
                *offers[:_MOST_OFFERED],
            ]
    return out


def _is_offered(field: FieldDescribe) -> bool:
    own = (
        field.name.endswith("__c") and not field.name.startswith("Rebate_") and "__Rebate_" not in field.name
    )
    return own and field.type in _OFFERED_TYPES


def _offer(field: FieldDescribe) -> str:
    stem = re.sub(r"\W+", "_", field.label.lower()).strip("_")
    name = stem if ATTRIBUTE_NAME.fullmatch(stem) else field.name.lower()
    right = f'{{ field = "{field.name}", as = "bool" }}' if field.type == "boolean" else f'"{field.name}"'
    values = ", ".join(field.picklist_values[:_SHOWN_VALUES])
    more = ", …" if len(field.picklist_values) > _SHOWN_VALUES else ""
    words = f"{field.type}: {values}{more}" if values else field.type
    left = f"# {name} = {right}"
    return f"{left:<40}   # {_NOT_IN_COMMENTS.sub('?', words)}"
