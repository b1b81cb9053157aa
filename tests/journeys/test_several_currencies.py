"""An org of several currencies: every record that we make says its own, whatever currency our user has."""

from __future__ import annotations

import json
import re
import sqlite3
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from own_files import use_mapping, use_programs

from emulator import multi_currency
from emulator.seed_story import LUMIERE, MIDWEST
from mappings.file import standard_text

EURO = """
key = "euro-2026"
name = "Euro partners"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
currency = "EUR"
[members]
name = ["Lumière Beauty Retail", "Midwest Auto Parts Distribution"]
[[tiers]]
name = "Silver"
threshold = "100"
rate = "10%"
"""
STANDINGS = "SELECT Sync_Key__c, CurrencyIsoCode, Currency_Code__c, Rebate__c FROM Rebate_Standing__c"
PAYOUTS = "SELECT CurrencyIsoCode, Currency_Code__c, Amount__c FROM Rebate_Payout__c"
ACCOUNTS = "SELECT Id, CurrencyIsoCode, Rebate_Program__c, Rebate_Tier__c, Rebate_Amount__c, Rebate_To_Next_Tier__c FROM Account"


def mapped(text=None):
    """The standard mapping as `rebates init` writes it for such an org."""
    return re.sub(r'(?m)^# (currency = "CurrencyIsoCode").*$', r"\1", text or standard_text())


def orders_in(story, name, currency):
    account = story.rows(f"SELECT Id FROM Account WHERE Name = '{name}'")[0]["Id"]
    story.org.storage.execute(
        'UPDATE "Order" SET "CurrencyIsoCode" = ? WHERE "AccountId" = ?', (currency, account)
    )
    return account


def account(story, name):
    (row,) = story.rows(ACCOUNTS + f" WHERE Name = '{name}'")
    return row


@pytest.fixture
def euros(story):
    """Lumière is in euros and so are its orders; Midwest's orders are, and Midwest itself is in dollars, as our user."""
    multi_currency.enable(story.org, {"EUR": "0.92"})
    orders_in(story, MIDWEST, "EUR")
    lumiere = orders_in(story, LUMIERE, "EUR")
    story.org.storage.execute('UPDATE "Account" SET "CurrencyIsoCode" = ? WHERE "Id" = ?', ("EUR", lumiere))
    use_mapping(story, mapped())
    use_programs(story, euro=EURO)
    return story


def test_standings_and_payouts_of_a_euro_program_are_in_euros_though_our_user_is_in_dollars(euros):
    done = euros("sync", "--json")
    assert done.code == 0, done.text
    standings = euros.rows(STANDINGS)
    assert {(row["CurrencyIsoCode"], row["Currency_Code__c"]) for row in standings} == {("EUR", "EUR")}
    euros.wait(minutes=15)
    idle = euros("sync", "--json")
    assert (idle.data["api_calls"], idle.data["pushed"]) == (1, 0)
    euros.wait(minutes=1)
    assert euros("periods", "close", "euro-2026", "2026-10").code == 0
    euros.wait(minutes=15)
    assert euros("sync").code == 0
    payouts = euros.rows(PAYOUTS)
    assert payouts and {row["CurrencyIsoCode"] for row in payouts} == {"EUR"}
    assert euros("verify", "--deep").code == 0


def test_an_account_in_another_currency_than_its_standing_shows_no_amounts_until_it_is_in_the_same(euros):
    done = euros("sync", "--json")
    assert done.data["without_amounts"] == 1
    assert any("1 account is written without amounts" in one for one in json.loads(done.out)["warnings"])
    midwest = account(euros, MIDWEST)
    assert (midwest["Rebate_Amount__c"], midwest["Rebate_To_Next_Tier__c"]) == (None, None)
    assert (midwest["Rebate_Tier__c"], midwest["Rebate_Program__c"]) == ("Silver", "Euro partners")
    assert Decimal(account(euros, LUMIERE)["Rebate_Amount__c"]) == Decimal("4758.80")
    assert "1 account of euro-2026 (EUR) is in USD" in " ".join(euros("doctor").text.split())

    euros.wait(minutes=15)
    euros.change("Account", midwest["Id"], {"CurrencyIsoCode": "EUR"})
    euros.wait(minutes=15)
    assert euros("sync").code == 0
    assert Decimal(account(euros, MIDWEST)["Rebate_Amount__c"]) > 0
    euros.wait(minutes=15)
    euros.change("Account", midwest["Id"], {"CurrencyIsoCode": "USD"})
    euros.wait(minutes=15)
    assert euros("sync").code == 0
    assert account(euros, MIDWEST)["Rebate_Amount__c"] is None, "a number of euros is none of dollars"


def test_what_was_written_without_its_currency_is_written_again_after_the_upgrade(euros, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr("jobs.own_currency.note", lambda *_: None)
        assert euros("sync").code == 0
        euros.wait(minutes=1)
        assert euros("periods", "close", "euro-2026", "2026-10").code == 0
        assert euros("sync", "--json").code == 0
    assert {row["CurrencyIsoCode"] for row in euros.rows(STANDINGS)} == {"USD"}, "as our user"
    with sqlite3.connect(euros.folder / "rebates.db") as store:
        store.execute("DELETE FROM meta WHERE key = 'preflight'")
    euros.wait(minutes=15)
    done = euros("sync", "--json")
    assert done.code == 0, done.text
    assert {row["CurrencyIsoCode"] for row in euros.rows(STANDINGS)} == {"EUR"}
    assert {row["CurrencyIsoCode"] for row in euros.rows(PAYOUTS)} == {"USD"}, "never written again"
    told = " ".join(euros("doctor").text.split())
    assert "payouts in EUR are shown in USD" in told
    euros.wait(minutes=15)
    assert euros("sync", "--json").data["pushed"] == 0


def test_a_payout_that_waited_since_before_the_upgrade_is_sent_with_its_currency(euros, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr("jobs.own_currency.note", lambda *_: None)
        assert euros("sync").code == 0
        euros.wait(minutes=1)
        assert euros("periods", "close", "euro-2026", "2026-10").code == 0
        assert euros("compute").code == 0
    assert euros.rows(PAYOUTS) == []
    with sqlite3.connect(euros.folder / "rebates.db") as store:
        store.execute("DELETE FROM meta WHERE key = 'preflight'")
    euros.wait(minutes=15)
    assert euros("sync").code == 0
    assert {row["CurrencyIsoCode"] for row in euros.rows(PAYOUTS)} == {"EUR"}


def yen(key="yen-2026"):
    return EURO.replace("euro-2026", key).replace('"EUR"', '"JPY"')


def test_a_program_whose_currency_is_not_active_is_refused_alone_until_the_org_has_it(euros):
    assert euros("sync").code == 0
    euros.wait(minutes=15)
    quiet = euros("sync", "--json").data["api_calls"]
    use_programs(euros, yen=yen())
    for command in (("mapping", "check"), ("doctor",)):
        done = euros(*command)
        told = " ".join(done.text.split())
        assert done.code in (1, 2), told
        assert "program yen-2026 is in JPY, which is no active currency of this org (it has USD, EUR)" in told
        assert "a sync refuses it, and goes on with the others" in told
        assert "activate JPY in Setup > Manage Currencies" in told
    done = euros("sync", "--json")
    assert done.code == 2, done.text
    assert "program 'yen-2026' is not computed: it is in JPY" in done.error["message"], done.text
    assert "activate JPY in Setup > Manage Currencies" in done.error["message"]
    written = {row["CurrencyIsoCode"] for row in euros.rows(STANDINGS)}
    assert written == {"EUR"}, "the others go on, and nothing of it is written"
    (refused,) = euros("status", "--json").data["programs"]["refused"]
    assert refused["program"] == "yen-2026"
    told = " ".join(euros("program", "check", "--store", str(euros.folder / "own" / "yen.toml")).text.split())
    assert "a sync refuses this program: it is in JPY" in told

    euros.wait(minutes=15)
    assert euros("sync", "--json").data["api_calls"] == quiet, "nothing is asked again and again"
    multi_currency.activate(euros.org, "JPY", "150")
    euros.wait(minutes=30)
    assert euros("sync", "--json").data["api_calls"] == quiet
    euros.wait(minutes=15)
    done = euros("sync")
    assert done.code == 0, done.text
    assert {row["CurrencyIsoCode"] for row in euros.rows(STANDINGS)} == {"EUR", "JPY"}


def test_a_program_whose_currency_the_org_gave_up_keeps_its_standings_and_what_was_settled(euros):
    use_programs(euros, yen=yen())
    multi_currency.activate(euros.org, "JPY", "150")
    assert euros("sync").code == 0
    before = {row["Sync_Key__c"]: row["Rebate__c"] for row in euros.rows(STANDINGS)}
    multi_currency.deactivate(euros.org, "JPY")
    with sqlite3.connect(euros.folder / "rebates.db") as store:
        store.execute("DELETE FROM meta WHERE key = 'preflight'")
    euros.wait(minutes=15)
    assert euros("sync").code == 2
    assert {row["Sync_Key__c"]: row["Rebate__c"] for row in euros.rows(STANDINGS)} == before
    assert euros("verify", "--deep").code == 0


def test_an_org_of_one_currency_that_switches_on_several_has_its_standings_in_theirs_the_next_day(story):
    use_mapping(story, 'currency = "corporate"\n' + standard_text().replace('\ncurrency = "record"', "\n"))
    assert story("sync").code == 0
    multi_currency.enable(story.org, {"EUR": "0.92"})
    story.org.storage.execute('UPDATE "Rebate_Standing__c" SET "CurrencyIsoCode" = ?', ("EUR",))
    story.wait(days=1)
    assert story("sync").code == 0
    assert {row["CurrencyIsoCode"] for row in story.rows(STANDINGS)} == {"USD"}


def test_a_mapping_may_name_the_currency_itself_in_either_kind_of_org(story):
    text = re.sub(
        r'(?m)^(Currency_Code__c = ("\w+\.currency"))$', r"\1\nCurrencyIsoCode = \2", standard_text()
    )
    assert text.count("CurrencyIsoCode = ") == 2
    use_mapping(story, text)
    assert story("mapping", "check").code == 0
    assert story("sync").code == 0
    story.wait(minutes=15)
    assert story("sync", "--json").data["api_calls"] == 1, (
        "a field that such an org never has is not waited for"
    )
    multi_currency.enable(story.org, {"EUR": "0.92"})
    use_mapping(story, mapped(text))
    assert story("mapping", "check").code == 0
    assert story("sync").code == 0


def test_a_currency_that_somebody_changes_on_a_standing_is_put_back_by_the_nightly_comparison(euros):
    assert euros("sync").code == 0
    (one, *_) = euros.rows("SELECT Id FROM Rebate_Standing__c")
    euros.change("Rebate_Standing__c", one["Id"], {"CurrencyIsoCode": "USD"})
    euros.wait(minutes=15)
    assert euros("reconcile").code == 0
    euros.wait(minutes=15)
    assert euros("sync").code == 0
    assert {row["CurrencyIsoCode"] for row in euros.rows(STANDINGS)} == {"EUR"}


DOLLARS = EURO.replace("euro-2026", "dollar-2026").replace(
    'currency = "EUR"', 'currency = "USD"\ntime_zone = "Asia/Tokyo"\ncurrency_policy = "fixed"'
).replace("[members]", '[rates]\nEUR = "1.1"\n[members]')  # fmt: skip


def test_an_order_in_another_currency_is_shown_in_its_own_and_on_the_programs_day(euros):
    """A rep took 500 euros for 500 dollars, and an order of the morning in Tokyo for one of the day before."""
    use_mapping(
        euros, mapped(standard_text().replace('ordered_on = "EffectiveDate"', 'ordered_at = "ActivatedDate"'))
    )
    use_programs(euros, dollar=DOLLARS, euro=EURO)
    done = euros("sync", "--json")
    assert done.code in (0, 3), f"a draft has no moment of activation: {done.text}"
    shown = {
        key: json.loads(
            euros.rows(
                "SELECT Contributions__c FROM Rebate_Standing__c WHERE Period__c = '2026-11' "
                f"AND Program_Key__c = '{key}' AND Account__r.Name = '{LUMIERE}'"
            )[0]["Contributions__c"]
        )
        for key in ("dollar-2026", "euro-2026")
    }
    assert {row["currency"] for row in shown["dollar-2026"]} == {"EUR"}
    assert all("currency" not in row for row in shown["euro-2026"]), "as the program's, so nothing is said"
    dates = {key: {row["order"]: row["date"] for row in rows} for key, rows in shown.items()}
    orders = {
        row["OrderNumber"]: datetime.fromisoformat(row["ActivatedDate"].replace("+0000", "+00:00"))
        for row in euros.rows(
            f"SELECT OrderNumber, ActivatedDate FROM Order WHERE Account.Name = '{LUMIERE}' AND ActivatedDate != null"
        )
    }
    for key, zone in (("dollar-2026", "Asia/Tokyo"), ("euro-2026", "UTC")):
        for number, day in dates[key].items():
            assert day == f"{orders[number].astimezone(ZoneInfo(zone)):%Y-%m-%d}"
    assert dates["dollar-2026"] != dates["euro-2026"]
