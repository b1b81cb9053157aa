"""Keys that make a push idempotent: the same standing or event has the same key on every run and every host."""

from __future__ import annotations

import base64
import hashlib
import json

_CHARACTERS = 26  # of base32: 130 bits
_BYTES = 20  # whole groups of base32 that hold them
_JSON = json.JSONEncoder(ensure_ascii=False)


def sync_key(org_id: str, program: str, member_id: str, period: str, kind: str, tier: str = "") -> str:
    """`RB-` and 26 characters of A–Z2–7: safe where letter case is lost, 29 characters long.

    `kind` is "standing" or the event kind; `tier` tells events of one kind apart. The parts are hashed as a JSON
    list, so that no two lists of parts run together.
    """
    parts = _JSON.encode([org_id, program, member_id, period, kind, tier])
    digest = hashlib.sha256(parts.encode("utf-8", "surrogatepass")).digest()
    return "RB-" + base64.b32encode(digest[:_BYTES]).decode("ascii")[:_CHARACTERS]
