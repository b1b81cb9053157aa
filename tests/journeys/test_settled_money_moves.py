"""What moves settled money without a late order is said: before it is done, and when it is."""

from __future__ import annotations

from tests.journeys.test_programs_in_a_sync import RETAIL, own_programs


def test_new_terms_and_changed_accounts_say_what_they_change_of_settled_money(story):
    assert story("sync").code == 0
    assert story("periods", "close", "retail-2026", "2026-10").code == 0
    own_programs(story, retail=RETAIL.replace("15%", "12%"))
    checked = story("program", "check", "own/retail.toml", "--store")
    assert checked.code == 0
    assert "that retail-2026 had settled" in checked.out
    assert "rebates program diff OLD NEW --store" in checked.out
    said = story("sync", "--dry-run").text
    assert "the terms of retail-2026 changed, and with them" in said
    own_programs(story, retail=RETAIL)
    (one,) = story.rows("SELECT Id, Name, Type FROM Account WHERE Name LIKE 'Lumi%'")
    story.org.storage.execute(
        'UPDATE "Account" SET "Type" = ?, "SystemModstamp" = ? WHERE "Id" = ?',
        ("Other", story.org.stamp(), one["Id"]),
    )
    story.wait(minutes=15)
    done = story("sync", "--json")
    (told,) = [line for line in done.warnings if one["Id"] in line]
    assert f"type {one['Type']} -> Other" in told
    assert "1 amount that retail-2026 had settled by -" in told
