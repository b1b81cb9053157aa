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
