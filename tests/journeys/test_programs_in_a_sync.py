"""Programs at the command line: refused ones, what moved a number, what a change would do."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

RETAIL = Path("programs/retail-2026.toml").resolve().read_text()


def own_programs(world, **files):
    folder = world.folder / "own"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    path = world.folder / "rebates.toml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join('programs = "own"' if line.startswith("programs") else line for line in lines))


def test_a_program_that_cannot_be_computed_ends_a_sync_with_2_and_stops_nobody_else(story):
    other = (
        RETAIL.replace("retail-2026", "other-2026", 1)
        + '[qualifier_counts]\norder.number = { above = "1" }\n'
    )
    own_programs(story, retail=RETAIL, other=other)
    done = story("sync", "--json")
    assert done.code == 2
    assert "other-2026" in done.error["message"]
    assert "order.number" in done.error["message"]
    assert done.data["standings"] > 0
    assert story("explain", "Lumi", "--program", "retail-2026", "--json").data["standings"]


BROKEN = RETAIL.replace("retail-2026", "broken-2026", 1).replace("threshold", "treshold")


def test_a_program_file_that_was_never_valid_ends_a_sync_with_2_and_its_program_is_not_computed(story):
    own_programs(story, retail=RETAIL, broken=BROKEN)
    found = story("doctor", "--json").data["findings"]
    said = [one["said"] for one in found if one["check"] == "programs" and one["level"] == "warn"]
    for command in ("sync", "reconcile", "compute", "plan"):
        done = story(command, "--json")
        assert done.code == 2, command
        assert done.error["code"] == "program"
        said.append(done.error["message"])
        assert done.error["message"] in json.loads(done.out)["warnings"]
        story.wait(minutes=15)
    said += story("status", "--json").data["programs"]["warnings"]
    assert len(said) == 6
    for line in said:
        assert line.startswith("broken.toml is not valid (")
        assert "no valid version of it is known" in line
        assert "stays in force" not in line
    assert story("explain", "Lumi", "--program", "retail-2026", "--json").data["standings"]
    assert story("pull").code == 0, "reading needs no program"


def test_a_scheduler_goes_on_beside_a_program_file_that_is_not_valid(story):
    story.config('[schedule]\nsync.every = "15m"')
    own_programs(story, retail=RETAIL, broken=BROKEN)
    for _ in range(3):
        assert story("schedule", "run", "--once").code == 3
        story.wait(minutes=15)
    found = story("status", "--json").data
    assert [run["outcome"] for run in found["runs"]] == ["partial"] * 3
    assert found["late"] == []


def test_a_program_that_ends_past_the_calendar_is_named_and_the_others_go_on(story):
    endless = RETAIL.replace("retail-2026", "endless", 1).replace("ends = 2026-12-31", "ends = 9999-12-31")
    assert "9999" in endless
    own_programs(story, retail=RETAIL, endless=endless)
    checked = story("program", "check", "own/endless.toml")
    assert checked.code == 2
    assert "endless.toml:7:" in checked.out
    assert "9999-12-31 is not between" in checked.out
    assert "Traceback" not in story("sync").text
    assert story("status", "--json").data["programs"]["unknown"] == ["endless.toml"]
    assert story("periods", "list").code == 0
    assert story("explain", "Lumi", "--json").data["standings"]


def test_why_changed_and_diff_tell_what_other_terms_do(story):
    own_programs(story, retail=RETAIL)
    first = story("sync", "--json").data["run"]
    story.wait(minutes=5)
    new = story.folder / "new.toml"
    new.write_text(RETAIL.replace('rate = "5%"', 'rate = "6%"'))
    found = story("program", "diff", "own/retail.toml", str(new), "--store", "--json").data
    moved = {row["period"]: row["change"] for row in found["standings"]}
    assert moved
    own_programs(story, retail=new.read_text())
    story("sync")
    answer = story("why-changed", "Lumi", "--since", str(first), "--json").data
    november = next(row for row in answer["standings"] if row["period"] == "2026-11")
    assert Decimal(november["change"]) == Decimal("451.88")  # 1 % of 45,188.00
    assert {cause["kind"] for cause in november["causes"]} >= {"version"}
    assert "version 1 became version 2" in story("why-changed", "Lumi", "--since", str(first)).out


def test_what_is_missing_in_units_stands_on_no_account_as_money(story):
    units = RETAIL.replace('qualifier = "amount"', 'qualifier = "quantity"')
    assert units != RETAIL
    own_programs(story, retail=units)
    assert story("sync").code == 0
    short = story.rows(
        "SELECT Account__c FROM Rebate_Standing__c WHERE Qualifier__c = 'Quantity' AND To_Next_Tier__c > 0 AND Period__c = '2026-11'"
    )
    assert short
    shown = story.rows(
        "SELECT Rebate_To_Next_Tier__c, Rebate_Next_Tier__c FROM Account WHERE Rebate_Program__c = 'Retail partners 2026'"
    )
    assert any(row["Rebate_Next_Tier__c"] for row in shown)
    assert {row["Rebate_To_Next_Tier__c"] for row in shown} == {None}


def test_later_terms_that_do_not_say_what_holds_before_them_move_nothing(story):
    """The earlier terms stay in force, and the two ways to say it are shown with the line."""
    assert story("sync").code == 0
    before = story("explain", "Lumi", "--program", "retail-2026", "--json").data["standings"]
    later = RETAIL.replace("period =", "effective_from = 2026-12-01\nperiod =", 1).replace("15%", "12%")
    own_programs(story, retail=RETAIL, later=later)
    done = story("sync", "--json")
    assert done.code == 2
    assert "later.toml is not valid" in done.error["message"]
    assert story("explain", "Lumi", "--program", "retail-2026", "--json").data["standings"] == before
    checked = story("program", "check", "own/retail.toml", "own/later.toml")
    assert checked.code == 2
    assert "does not say what holds before 2026-12-01" in checked.out
    assert 'amendment = "as_of"' in checked.out
    assert 'amendment = "latest"' in checked.out


def test_what_a_program_asks_for_and_no_record_has_is_told_by_the_doctor_a_sync_and_the_check(story):
    """A misspelt family is a valid program that counts nothing."""
    families = 'product.family = ["Skin care", "Make-up"]'
    assert families in RETAIL
    typo = RETAIL.replace(families, 'product.family = ["Skin caer"]\nline.promo = ["None"]')
    own_programs(story, retail=typo)
    assert any(
        "the mapping has no line.promo" in one["said"] for one in story("doctor", "--json").data["findings"]
    )
    first = story("sync", "--json").warnings
    assert any(line.startswith("retail-2026:") and 'family "Skin caer"' in line for line in first), first
    assert any("the mapping has no line.promo" in line for line in first)
    told = [one["said"] for one in story("doctor", "--json").data["findings"] if one["check"] == "programs"]
    assert sum('family "Skin caer"' in line for line in told) == 1
    story.wait(minutes=15)
    again = story("sync", "--json").warnings
    assert not any("Skin caer" in line for line in again), (
        "the records are looked at when the file is new or changed"
    )
    assert any("the mapping has no line.promo" in line for line in again), "the mapping with every sync"
    assert 'family "Skin caer"' in story("program", "check", "own/retail.toml", "--store").out
