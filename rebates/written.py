"""How people write numbers, and how a program file wants them: only for suggestions, never to read a value."""

from __future__ import annotations

import re

# Ranges as other systems have them; here the next tier's threshold ends a tier.
RANGE_KEYS = (
    "min", "max", "minimum", "maximum", "lower", "upper", "low", "high", "at_least", "at_most", "start", "end",
    "min_amount", "max_amount", "amount_from", "amount_to", "from_amount", "to_amount",
)  # fmt: skip
ONE_BOUNDARY = (
    "one number a boundary: threshold says where the tier begins, the next tier's threshold ends it"
)
_AROUND = re.compile(r"^[^0-9.,+-]+|[^0-9.,]+$")  # a currency's sign or code
_GROUPS = re.compile(r"[+-]?[0-9]{1,3}([.,][0-9]{3})+")


_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip


def whole_hint(name: str, raw: object) -> str:
    """What to write instead of something that is no whole number; a month by its number."""
    if name != "fiscal_year_starts":
        return f"{name} = 7"
    word = raw.strip().lower() if isinstance(raw, str) else ""
    month = next((n for n, one in enumerate(_MONTHS, 1) if len(word) >= 3 and one.startswith(word)), None)
    return f"{name} = {month}" if month else f"the number of the month, 1 to 12: {name} = 2 is February"


def toml_hint(text: str, message: str) -> str:
    """What to do about a text that is no TOML."""
    if "overwrite" in message and re.search(r"^\s*\[growth\.baseline\]", text, re.MULTILINE):
        return "amounts per account stand in [growth.baselines]; baseline is the key that says which baseline it is"
    return "text values stand in quotes, tables in [brackets]"


def number_hint(raw: object, *, percent: bool) -> str:
    """What to write instead of a text that is no number."""
    example = 'write "15%" or "0.15"' if percent else 'write "50000" or "12.50"'
    if not isinstance(raw, str):
        return example
    bare = _AROUND.sub("", raw.strip()).replace(" ", "").replace("\N{NO-BREAK SPACE}", "").replace("'", "")
    meant = _plain(bare)
    if not meant:
        return example
    sign = "%" if raw.strip().endswith("%") else ""
    words = [f'write "{one}{sign}"' for one in meant]
    return " or, where the comma stands before the decimals, ".join(words) if len(meant) > 1 else words[0]


def _plain(raw: str) -> list[str]:
    """A number with separators in digits and a point; both readings where one comma could be either."""
    both = "," in raw and "." in raw
    if both:  # what stands last stands before the decimals
        point = max(raw.rfind(","), raw.rfind("."))
        found = [f"{re.sub('[.,]', '', raw[:point])}.{raw[point + 1 :]}"]
    elif _GROUPS.fullmatch(raw):
        found = [re.sub("[.,]", "", raw)]
        if raw.count(",") == 1:
            found.append(raw.replace(",", "."))
    else:
        found = [raw.replace(",", ".")]
    return [one for one in found if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", one)]
