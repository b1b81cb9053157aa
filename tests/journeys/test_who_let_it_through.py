"""Whoever lets a fuse through stands in the audit trail, by the name that the system knows them by."""

from __future__ import annotations

import os
import pwd

from jobs.person import person


def deeds(story):
    found = story("audit", "--json").data["entries"]
    return [(one["who"], one["of"], one["detail"]["by"]) for one in found if one["what"] == "let through"]


def test_a_fuse_that_a_person_lets_through_is_in_the_trail_with_its_run(synced):
    story = synced
    story("sync")
    story("sync", "--dry-run", "--allow-many-corrections")
    assert deeds(story) == [], "nothing was let through, or all of it was undone"
    story.wait(minutes=15)
    run = story("sync", "--allow-many-corrections", "--allow-mass-clear", "--json").data["run"]
    assert deeds(story) == [(person(), f"sync {run}", "--allow-many-corrections --allow-mass-clear")]
    story.wait(minutes=15)
    story("compute", "--allow-many-tasks")
    story.wait(minutes=15)
    story("reconcile", "--accept-missing", "Order", "--accept-missing", "product")
    (night, computed, _) = deeds(story)
    assert night[1].startswith("reconcile ")
    assert night[2] == "--accept-missing order --accept-missing product"
    assert computed[2] == "--allow-many-tasks"
    assert story("verify").code == 0


def test_the_name_in_the_trail_cannot_be_chosen(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "cfo")
    assert person().split("@")[0] == pwd.getpwuid(os.getuid()).pw_name


def test_a_user_with_only_a_number_has_that(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_123)
    assert person().startswith("uid 4000000123@")
