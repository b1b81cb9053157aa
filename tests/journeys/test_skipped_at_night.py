"""Records that the mapping skips (`other = "skip"`): the org shows them every night, and they are none of ours."""

from __future__ import annotations

import re

import pytest
from one_partner import later, qualifying, save, set_aside

from emulator.raw_rows import find
from emulator.seed_story import LUMIERE
from mappings.file import standard_text

KIND = 'kind = { field = "Type", values = { Standard = "Standard" }, other = "skip" }'


@pytest.fixture(params=["REST", "Bulk"])
def way(request, monkeypatch):
    """Both ways of reading."""
    from connector import choose

    told = "bulk" if request.param == "Bulk" else "rest"
    monkeypatch.setattr(choose, "choose_read", lambda expected, budget: told)
    return request.param


def mapped(world, entity, left, line):
    """The standard mapping with one line of an entity written otherwise, or one more."""
    head, table, rest = standard_text().partition(f"[pull.{entity}.fields]\n")
    fields, end, others = rest.partition("\n\n")
    kept = [one for one in fields.splitlines() if not one.startswith(f"{left} =")]
    text = head + table + "\n".join([*kept, line]) + end + others
    (world.folder / "mapping.toml").write_text(text)
    path = world.folder / "rebates.toml"
    path.write_text(re.sub(r"(?m)^mapping = .*$", 'mapping = "mapping.toml"', path.read_text()))


def order_of(world):
    query = f"SELECT Id FROM Order WHERE Account.Name = '{LUMIERE}' AND EffectiveDate = 2026-11-09"
    (row,) = world.rows(query)
    return row["Id"]


def night(world, entity):
    done = later(world, "reconcile")
    (found,) = [one for one in done.data["inventory"] if one["entity"] == entity]
    return found["missing"], found["newer"], found["read_again"], found["buried"]


def test_orders_that_the_mapping_skips_are_read_again_by_no_night(story, way):
    mapped(story, "order", "kind", KIND)
    order = order_of(story)
    later(story, "sync")
    assert night(story, "order") == (0, 0, 0, 0), "returns were skipped from the first sync on"
    before = qualifying(story)
    save(story, order, Type="Sample")
    later(story, "sync")
    assert qualifying(story) < before
    assert night(story, "order") == (0, 0, 0, 0)
    later(story, "verify", "--deep")

    save(story, order, Type="Standard")
    later(story, "reconcile")
    assert (qualifying(story), set_aside(story)) == (before, [])


def test_what_cannot_be_read_of_a_skipped_account_is_no_reason_to_ask_for_it_every_night(story, way):
    mapped(
        story,
        "account",
        "type",
        'type = { field = "Type", values = { "Customer - Direct" = "Direct" }, other = "skip" }',
    )
    later(story, "sync")
    assert night(story, "account") == (0, 0, 0, 0)
    assert night(story, "account") == (0, 0, 0, 0)


def test_a_user_whom_the_mapping_skips_is_not_asked_for_every_night(story, way):
    mapped(
        story, "user", "name", 'name = { field = "Name", values = { "Nobody at all" = "x" }, other = "skip" }'
    )
    later(story, "sync")
    assert night(story, "user") == (0, 0, 0, 0)


def test_one_that_was_skipped_without_its_stamp_moving_comes_back_at_night(story, way):
    """A formula may change what a record is while its stamp stands still."""
    mapped(story, "order", "kind", KIND)
    order = order_of(story)
    stamp = find(story.org, "Order", Id=order)["SystemModstamp"]
    later(story, "sync")
    before = qualifying(story)
    save(story, order, Type="Sample", SystemModstamp=stamp)
    assert night(story, "order") == (0, 1, 1, 0)
    assert qualifying(story) < before
    save(story, order, Type="Standard", SystemModstamp=stamp)
    assert night(story, "order") == (0, 1, 1, 0)
    assert qualifying(story) == before
