"""Salesforce ids: 15 case-sensitive characters, or 18 with a suffix that says which of them are capitals.

Source: Salesforce help, "15-character and 18-character record IDs"; Object Reference, "ID Field Type".
"""

from __future__ import annotations

import string

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
"""Base 62 in ASCII order, so that ids of one object sort as they were given out."""
SUFFIX = string.ascii_uppercase + "012345"
_ALLOWED = frozenset(ALPHABET)


def suffix(short: str) -> str:
    """The three check characters of a 15-character id."""
    return "".join(
        SUFFIX[sum(1 << bit for bit, char in enumerate(short[start : start + 5]) if "A" <= char <= "Z")]
        for start in (0, 5, 10)
    )


def to_18(value: str) -> str | None:
    """The 18-character form of an id, or None when the text is not one.

    An 18-character id whose letters lost their case is mended from its suffix, as Salesforce does.
    """
    if not _ALLOWED.issuperset(value):
        return None
    if len(value) == 15:
        return value + suffix(value)
    if len(value) != 18:
        return None
    bits = [SUFFIX.find(char.upper()) for char in value[15:]]
    if min(bits) < 0:
        return None
    short = "".join(
        char.upper() if bits[index // 5] >> (index % 5) & 1 else char.lower()
        for index, char in enumerate(value[:15])
    )
    return short + value[15:].upper()


def encode_number(number: int, width: int) -> str:
    digits = []
    while number:
        number, rest = divmod(number, 62)
        digits.append(ALPHABET[rest])
    text = "".join(reversed(digits)).rjust(width, "0")
    assert len(text) == width, "an object ran out of ids"
    return text


class Ids:
    """Gives out ids: prefix, the instance's two characters, a reserved 0, nine counting characters.

    `counters` is what must be remembered to go on after a restart.
    """

    def __init__(self, instance: str = "5g", counters: dict[str, int] | None = None) -> None:
        self.instance = instance
        self.counters: dict[str, int] = dict(counters or {})
        self.dirty = False

    def next(self, prefix: str) -> str:
        """The next 18-character id with this 3-character prefix."""
        number = self.counters.get(prefix, 0) + 1
        self.counters[prefix] = number
        self.dirty = True
        return self.make(prefix, number)

    def make(self, prefix: str, number: int) -> str:
        short = f"{prefix}{self.instance}0{encode_number(number, 9)}"
        return short + suffix(short)

    def reserve(self, prefix: str, count: int) -> range:
        """Numbers for `make`, for loads that give out many ids at once."""
        start = self.counters.get(prefix, 0) + 1
        self.counters[prefix] = start + count - 1
        self.dirty = True
        return range(start, start + count)
