"""Keys that make a push idempotent: the same standing or event has the same key on every run and every host."""

from __future__ import annotations

import hashlib
from json.encoder import encode_basestring as _text

_BITS = 130  # 26 characters of base32
_BYTES = 17  # that hold them
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]  # two characters for ten bits
_SHIFTS = tuple(range(_BITS - 10, -1, -10))


def sync_key(org_id: str, program: str, member_id: str, period: str, kind: str, tier: str = "") -> str:
    """`RB-` and 26 characters of A–Z2–7: safe where letter case is lost, 29 characters long.

    `kind` is "standing" or the event kind; `tier` tells events of one kind apart. The parts are hashed as a JSON
    list, so that no two lists of parts run together.
    """
    parts = f"[{_text(org_id)}, {_text(program)}, {_text(member_id)}, {_text(period)}, {_text(kind)}, {_text(tier)}]"
    digest = hashlib.sha256(parts.encode("utf-8", "surrogatepass")).digest()
    bits = int.from_bytes(digest[:_BYTES], "big") >> (8 * _BYTES - _BITS)
    return "RB-" + "".join([_PAIRS[(bits >> shift) & 1023] for shift in _SHIFTS])
