"""The main job, end to end: from orders in the org to fields, tasks and bells on the account."""

from __future__ import annotations

import hashlib
import sqlite3
from decimal import Decimal

import pytest

from emulator import actions
from emulator.seed_story import LUMIERE, MIDWEST, partner_orders_again

FIELDS = (
    "SELECT Id, Rebate_Tier__c, Rebate_Benefit__c, Rebate_Status__c, Rebate_Amount__c, Rebate_To_Next_Tier__c, "
    "Rebate_At_Next_Tier__c, Rebate_Uplift__c, Rebate_Next_Tier__c FROM Account WHERE Name = '{}'"
)


def account(world, name):
    (row,) = world.rows(FIELDS.format(name))
    return row


def tasks(world, name):
    return world.rows(
        f"SELECT Subject, IsClosed, OwnerId, Rebate_Key__c FROM Task WHERE Account.Name = '{name}'"
    )


def test_a_rep_sees_how_far_the_partner_is_from_the_next_tier(story):
    done = story("sync", "--json")
    assert done.code == 0, done.text
    row = account(story, LUMIERE)
    assert row["Rebate_Tier__c"] == "Silver"
    assert row["Rebate_Status__c"] == "Near_Next_Tier"
    assert Decimal(row["Rebate_Amount__c"]) == Decimal("2259.40")  # 5 % of 45,188.00
    assert Decimal(row["Rebate_To_Next_Tier__c"]) == Decimal("4812")
    assert Decimal(row["Rebate_At_Next_Tier__c"]) == Decimal("7500")  # 15 % of 50,000
    assert Decimal(row["Rebate_Uplift__c"]) == Decimal("5240.60")
    (task,) = tasks(story, LUMIERE)
    assert task["Subject"] == f"{LUMIERE}: $4,812 to Gold, worth $5,240.60 more"
    assert not task["IsClosed"]
    (bell,) = [bell for bell in actions.shown(story.org) if LUMIERE in bell["title"]]
    assert "$4,812 to Gold" in bell["title"]


def test_the_partner_orders_and_the_task_closes_itself(synced):
    story = synced
    partner_orders_again(story.org)
    story.wait(minutes=15)
    done = story("sync", "--json")
    assert done.code == 0, done.text
    row = account(story, LUMIERE)
    assert (row["Rebate_Tier__c"], row["Rebate_Status__c"]) == ("Gold", "Top_Tier")
    assert Decimal(row["Rebate_Amount__c"]) == Decimal("7588.20")  # 15 % of 50,588.00
    assert row["Rebate_To_Next_Tier__c"] is None
    (task,) = tasks(story, LUMIERE)
    assert task["IsClosed"]
    assert done.data["pushed_by_object"] == {
        "Rebate_Standing__c": 1,
        "Account": 1,
        "Task.change": 1,
        "Notification": 1,
    }


def test_a_sync_with_nothing_to_do_writes_nothing_and_costs_one_call(synced):
    story = synced
    story.wait(minutes=15)
    story("sync")  # reads our own writes back: they change nothing
    story.wait(minutes=15)
    done = story("sync", "--json")
    assert done.data["pushed"] == 0
    assert done.data["api_calls"] == 1
    used = story.org.usage.total
    story.wait(minutes=15)
    story("sync")
    assert story.org.usage.total == used + 1, "the org counts what we say"


def test_returns_count_against_the_quarter_and_each_band_pays_its_own_rate(synced):
    story = synced
    row = account(story, MIDWEST)
    # 93,170.00 bought, 2,790.00 returned: 2 % of the first 25,000 and 4 % of the other 65,380.00
    assert Decimal(row["Rebate_Amount__c"]) == Decimal("3115.20")
    (standing,) = story.rows(
        "SELECT Rebate__c, Qualifying_Amount__c, Method__c FROM Rebate_Standing__c "
        f"WHERE Account__r.Name = '{MIDWEST}' AND Period__c = '2026-Q4'"
    )
    assert Decimal(standing["Qualifying_Amount__c"]) == Decimal("90380")
    assert standing["Method__c"] == "Stepped"


def test_a_customer_in_no_program_is_left_alone(synced):
    story = synced
    assert account(story, "Harbor Light Spa")["Rebate_Tier__c"] is None
    assert not story.rows("SELECT Id FROM Rebate_Standing__c WHERE Account__r.Name = 'Harbor Light Spa'")


def test_explain_says_which_orders_counted_and_why_others_did_not(synced):
    story = synced
    (standing,) = story("explain", "Lumi", "--json").data["standings"]
    assert standing["rebate"] == "2259.40"
    assert sum(Decimal(part["amount"]) for part in standing["contributions"]) == Decimal("45188")
    reasons = {line["product"]: line["reason"] for line in standing["not_counted"]}
    assert "Services" in reasons["In-store Beauty Training Day"]
    assert "not active" in reasons["Night Cream 50 ml"]
    assert any("5% on 45188.00 USD = 2259.40" in step["text"] for step in standing["steps"])


def test_a_dry_run_shows_the_writes_and_their_cost_and_keeps_nothing(story):
    before = story.org.usage.total
    done = story("sync", "--dry-run", "--json")
    assert done.code == 0, done.text
    assert done.data["planned"] == 14
    assert any(
        change["object"] == "Account" and change["account"] == LUMIERE for change in done.data["changes"]
    )
    assert done.data["calls_planned"] >= 3
    assert account(story, LUMIERE)["Rebate_Tier__c"] is None
    assert not story.rows("SELECT Id FROM Rebate_Standing__c")
    assert not (story.folder / "rebates.db").exists()
    assert story.org.usage.total - before <= 7
    assert story("sync", "--json").data["pushed"] == 14, "the real run does what the dry run said"


def test_a_sync_without_its_push_leaves_the_writes_in_the_outbox_for_the_next(story):
    done = story("sync", "--no-push", "--json")
    assert done.code == 0, done.text
    assert done.data["pushed"] == 0
    assert done.data["planned"] == 14
    assert account(story, LUMIERE)["Rebate_Amount__c"] is None
    later = story("sync", "--json")
    assert later.data["pushed"] == 14
    assert Decimal(account(story, LUMIERE)["Rebate_Amount__c"]) == Decimal("2259.40")


def test_pull_compute_and_push_alone_add_up_to_a_sync(story):
    assert story("pull", "--json").data["pulled"] > 0
    assert account(story, LUMIERE)["Rebate_Tier__c"] is None
    assert story("compute", "--json").data["planned"] == 14
    assert story("plan", "--json").data["planned"] == 0
    assert story("push", "--json").data["pushed"] == 14
    assert account(story, LUMIERE)["Rebate_Tier__c"] == "Silver"


def test_verify_agrees_with_the_org_and_sees_what_a_person_changed(synced):
    story = synced
    assert story("verify", "--deep", "--json").data["compared"] == 12
    (row,) = story.rows(f"SELECT Id FROM Account WHERE Name = '{LUMIERE}'")
    story.change("Account", row["Id"], {"Rebate_Tier__c": "Platinum"})
    done = story("verify", "--deep", "--json")
    assert done.code == 1
    assert done.data["drift"] == [{"object": "Account", "key": row["Id"], "field": "Rebate_Tier__c"}]


def test_two_runs_never_work_at_once(story):
    from datetime import timedelta

    from state import leases
    from state.store import Store

    story("sync")
    store = Store.open(f"sqlite:///{story.folder}/rebates.db")
    with store.transaction() as tx:
        leases.acquire(tx, "org", owner="another:1", ttl=timedelta(minutes=5), now=story.clock())
    done = story("sync", "--json")
    assert done.code == 6
    assert "another:1" in done.error["message"]
    store.close()


def test_paused_means_that_no_run_starts(story):
    story("pull")
    story("pause", "--reason", "quarter end freeze")
    done = story("sync", "--json")
    assert (done.code, done.error["code"]) == (1, "paused")
    assert "quarter end freeze" in done.error["message"]
    assert story("resume").code == 0
    assert story("sync").code == 0
    story("resume")  # nothing was paused: nobody did anything
    asked = [one for one in story("audit", "--json").data["entries"] if one["what"] in ("pause", "resume")]
    assert [one["what"] for one in asked] == ["resume", "pause"]
    assert {one["detail"]["reason"] for one in asked} == {"quarter end freeze"}
    assert all("@" in one["who"] for one in asked)


@pytest.mark.parametrize("typed", ["Lumiere", "LUMIÈRE BEAUTY", "lumière"])
def test_an_account_is_found_however_its_name_is_typed(synced, typed):
    story = synced
    done = story("explain", typed, "--json")
    assert done.code == 0, done.err
    assert len(done.data["standings"]) == 1


def test_a_deep_verify_counts_the_accounts_that_a_sync_wrote_a_moment_ago(story, monkeypatch):
    monkeypatch.setattr("jobs.lost_rows.FEW", 0)
    story("sync")
    assert story("verify", "--deep", "--json").data["violations"] == []


def test_a_deep_verify_computes_every_standing_again_and_says_what_it_could_not(synced):
    story = synced
    assert story("verify", "--deep", "--json").data["behind"] == []
    partner_orders_again(story.org)
    story.wait(minutes=15)
    story("pull")
    done = story("verify", "--deep")
    assert (done.code, "changes wait to be computed" in done.out) == (0, True), done.text
    assert "every check holds" not in done.out
    story("compute")
    assert story("verify", "--deep", "--json").data["behind"] == []
    # A standing that no mark leads back to: saved, hashed and remembered as if it were right.
    store = sqlite3.connect(story.folder / "rebates.db")
    cell = "member_pk = ? AND period_pk = ? AND revision = ?"
    *place, text = store.execute(
        "SELECT member_pk, period_pk, revision, document FROM standings WHERE tier = 'Gold' LIMIT 1"
    ).fetchone()
    changed = text.replace('"rebate":"', '"rebate":"1')
    digest = hashlib.sha256(changed.encode()).hexdigest()
    store.execute(
        f"UPDATE standings SET document = ?, content_hash = ? WHERE {cell}", (changed, digest, *place)
    )
    for table in ("standings", "standing_history"):
        store.execute(f"UPDATE {table} SET rebate_e6 = rebate_e6 + 1 WHERE {cell}", place)
    store.commit()
    store.close()
    assert story("verify").code == 0, "its sums and keys are as they should be"
    broken = story("verify", "--deep", "--json")
    assert broken.code == 1
    assert [one["name"] for one in broken.data["violations"]] == [
        "a standing is not what its totals come to (E2)"
    ]
    assert story("compute", "--full").code == 0
    assert story("verify", "--deep", "--json").data["violations"] == []


def test_each_run_knows_under_which_rules_it_ran(story):
    def rules():
        story.wait(minutes=15)
        assert story("sync").code == 0
        return story("status", "--json").data["runs"][0]["counts"]["rules"]

    first = rules()
    assert len(first) == 16
    assert rules() == first
    story.config("[alerts]\nmax_tasks = 77\n")
    assert rules() != first
