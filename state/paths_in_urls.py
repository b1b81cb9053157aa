"""A path as it stands in a database URL. Apart from what reads URLs, for whoever only writes one down: that loads in no time."""

from __future__ import annotations

from urllib.parse import quote


def in_a_url(path: str) -> str:
    """What would end the path, or be taken for something encoded, is encoded."""
    return "".join(quote(letter, safe="") if letter in "%?" else letter for letter in path)
