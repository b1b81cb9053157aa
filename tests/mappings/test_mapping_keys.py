"""Keys: the same thing has the same key everywhere, different things have different ones."""

import hashlib
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from mappings.keys import sync_key

ORG = "00D000000000001AAA"
MEMBER = "001000000000001AAA"


def test_a_key_is_29_characters_that_survive_any_letter_case():
    assert re.fullmatch(r"RB-[A-Z2-7]{26}", sync_key(ORG, "retail-2026", MEMBER, "2026-11", "standing"))


def test_a_key_never_changes_between_releases():
    # A changed key would write every standing of every customer a second time.
    assert sync_key(ORG, "retail-2026", MEMBER, "2026-11", "standing") == "RB-63RPJEBNKCVDRVFXXK5GHWM3LA"
    assert (
        sync_key(ORG, "retail-2026", MEMBER, "2026-11", "near_tier", "Gold")
        == "RB-JJZ25WXJNGCHUNNIZUFCK5O7NZ"
    )


def test_parts_do_not_run_together():
    assert sync_key(ORG, "a", "bc", "p", "k") != sync_key(ORG, "ab", "c", "p", "k")
    assert sync_key(ORG, "a", MEMBER, "p", "k", "") != sync_key(ORG, "a", MEMBER, "p", "", "k")


_PARTS = st.tuples(*[st.text(max_size=4) for _ in range(6)])


@given(_PARTS, _PARTS)
def test_different_parts_have_different_keys(left, right):
    assert (sync_key(*left) == sync_key(*right)) == (left == right)


@given(_PARTS)
def test_what_is_hashed_is_the_json_list_of_the_parts(parts):
    text = json.dumps(list(parts), ensure_ascii=False)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    number = 0
    for letter in sync_key(*parts).removeprefix("RB-"):
        number = number * 32 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".index(letter)
    assert number == int.from_bytes(digest, "big") >> (256 - 130)
