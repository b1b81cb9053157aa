"""What a person reads in `rebates explain` adds up."""

from __future__ import annotations

import re
from decimal import Decimal

from emulator.seed_story import LUMIERE

SHARED = """
key = "joint"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
[hierarchy]
roll_up = "parent"
pay = "share"
[[tiers]]
threshold = "100"
rate = "10%"
"""


def pays(story, text):
    """Nothing but this program is paid."""
    folder = story.folder / "one"
    folder.mkdir()
    (folder / "one.toml").write_text(text)
    settings = story.folder / "rebates.toml"
    settings.write_text(re.sub(r"(?m)^programs = .*$", f'programs = "{folder}"', settings.read_text("utf-8")))
    done = story("sync")
    assert done.code in (0, 3), done.text


def rows_of(text):
    """The columns of the orders listed as counted."""
    after = text[text.index("\ncounted") :].split("not counted")[0]
    return [row for line in after.splitlines() if re.match(r"\S+ +2026-", line) for row in [line.split()]]


def test_an_order_of_a_shared_program_is_listed_once_and_the_rows_add_up(story):
    pays(story, SHARED)
    told = story("explain", LUMIERE).text
    rows = rows_of(told)
    assert rows and len({row[0] for row in rows}) == len(rows)
    counted = re.search(r"counted: ([\d.]+) USD", told)[1]
    assert sum(Decimal(row[-1].replace(",", "")) for row in rows) == Decimal(counted)
