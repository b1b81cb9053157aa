"""What a person reads in `rebates explain` adds up."""

from __future__ import annotations

import re
from decimal import Decimal

from own_files import use_mapping, use_programs

from emulator import multi_currency
from emulator.seed_story import LUMIERE
from mappings.file import standard_text

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
    use_programs(story, one=text)
    done = story("sync")
    assert done.code in (0, 3), done.text


def rows_of(text):
    """The columns of the orders listed as counted."""
    after = text[text.index("\ncounted") :].split("not counted")[0]
    return [row for line in after.splitlines() if re.match(r"\S+ +2026-", line) for row in [line.split()]]


def test_an_order_of_a_shared_program_is_listed_once_and_the_rows_add_up(story):
    pays(story, SHARED)
    told = story("explain", LUMIERE).text
    assert f"share of {LUMIERE} (001" in " ".join(told.split()), "by name, the id behind"
    rows = rows_of(told)
    assert rows and len({row[0] for row in rows}) == len(rows)
    counted = re.search(r"counted: ([\d.]+) USD", told)[1]
    assert sum(Decimal(row[-2].replace(",", "")) for row in rows) == Decimal(counted)


KUWAIT = """
key = "kw"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
currency = "KWD"
[[tiers]]
threshold = "1"
rate = "10%"
"""


def test_an_order_in_another_currency_stands_under_its_own_name(story):
    multi_currency.enable(story.org, {"KWD": "0.31"})
    use_mapping(story, re.sub(r'(?m)^# (currency = "CurrencyIsoCode").*$', r"\1", standard_text()))
    (customer,) = story.rows(f"SELECT Id FROM Account WHERE Name = '{LUMIERE}'")
    story.org.storage.execute(
        'UPDATE "Order" SET "CurrencyIsoCode" = ? WHERE "AccountId" = ? AND "OrderNumber" = '
        '(SELECT max("OrderNumber") FROM "Order" WHERE "AccountId" = ? AND "EffectiveDate" >= ? AND "Status" = ?)',
        ("KWD", customer["Id"], customer["Id"], "2026-11-01", "Activated"),
    )
    pays(story, KUWAIT)
    told = story("explain", LUMIERE).text
    assert "amount (KWD)" not in told
    rows = rows_of(told)
    assert {row[-1] for row in rows} == {"USD", "KWD"}, told
    for row in rows:
        assert len(row[-2].partition(".")[2]) == {"USD": 2, "KWD": 3}[row[-1]]


def test_why_a_number_changed_names_the_field_of_the_account(story):
    (customer,) = story.rows(f"SELECT Id, Type FROM Account WHERE Name = '{LUMIERE}'")
    only = f'[members]\ntype = ["{customer["Type"]}"]\n[[tiers]]'
    pays(story, KUWAIT.replace('"KWD"', '"USD"').replace("[[tiers]]", only, 1))
    story.wait(minutes=15)
    started = story.clock()
    story.wait(minutes=1)
    story.change("Account", customer["Id"], {"Type": "Prospect"})
    story.wait(minutes=15)
    assert story("sync", "--allow-many-corrections").code in (0, 3)
    told = story("why-changed", LUMIERE, "--since", f"{started:%Y-%m-%dT%H:%M:%SZ}").text
    assert "type is Prospect now" in " ".join(told.split())


def test_status_names_the_value_that_the_mapping_has_no_rule_for_and_what_shows_how_it_was_read(story):
    lacking = standard_text().replace("{ Activated = true }, other = false", "{ Draft = false }")
    use_mapping(story, lacking)
    assert story("sync").code == 3
    told = " ".join(story("status").text.split())
    assert '`values` has no rule: "Activated"' in told
    assert "rebates mapping explain order.active --id 801" in told
