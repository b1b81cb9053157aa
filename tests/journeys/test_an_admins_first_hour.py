"""What an administrator meets in the first hour: hidden fields, half-written mappings, and words that say what to do."""

from __future__ import annotations

import pytest

from emulator.life import permissions_of


@pytest.mark.parametrize("synced", [False, True])
def test_a_hidden_amount_is_a_matter_of_rights_and_no_other_amount_is_suggested(story, synced):
    """Computed from list prices, every rebate would be wrong: the field is not misspelled, it is hidden."""
    if synced:
        assert story("sync").code == 0
    permissions_of(story.org).hide("OrderItem.TotalPrice")
    done = story("doctor", "--json")
    assert done.code == 1
    (found,) = [one for one in done.data["findings"] if one["level"] == "fail"]
    assert "TotalPrice" in found["said"]
    assert "field-level security" in found["mend"]
    assert "ListPrice" not in done.text


def test_a_field_that_was_read_before_is_not_taken_for_a_misspelled_one(synced):
    story = synced
    permissions_of(story.org).hide("Rebate_Standing__c.Rebate__c")
    (found,) = [one for one in story("doctor", "--json").data["findings"] if one["level"] == "fail"]
    assert "Rebate__c" in found["said"]
    assert "field-level security" in found["mend"]
    assert "did you mean" not in found["mend"]


def test_the_doctor_says_a_look_alike_and_the_rights_together(story):
    from mappings.file import standard_text

    text = standard_text().replace('family = "Family"', 'family = "Familiy"')
    (story.folder / "mapping.toml").write_text(text)
    path = story.folder / "rebates.toml"
    path.write_text(path.read_text().replace('mapping = "standard"', 'mapping = "mapping.toml"'))
    (found,) = [one for one in story("doctor", "--json").data["findings"] if one["level"] == "fail"]
    assert 'did you mean "Family"' in found["mend"]
    assert "field-level security" in found["mend"]


def test_our_own_write_to_an_account_is_not_named_as_what_moved_its_number(synced):
    story = synced
    since = story.clock().isoformat().replace("+00:00", "Z")
    story.wait(minutes=15)
    line = story.rows(
        "SELECT Id, Quantity FROM OrderItem WHERE Order.Account.Name LIKE 'Lumi%' AND Order.EffectiveDate >= 2026-11-01 "
        "AND Order.Status = 'Activated' LIMIT 1"
    )[0]
    story.org.storage.execute(
        'UPDATE "OrderItem" SET "TotalPrice" = "TotalPrice" + 10, "SystemModstamp" = ? WHERE "Id" = ?',
        (story.org.stamp(), line["Id"]),
    )
    for _ in range(4):
        assert story("sync").code == 0
        story.wait(minutes=15)
    done = story("why-changed", "Lumi", "--since", since, "--json")
    causes = [cause for one in done.data["standings"] for cause in one["causes"]]
    assert "line" in {cause["kind"] for cause in causes}, done.text
    assert "account" not in {cause["kind"] for cause in causes}, done.text


def test_the_mapping_that_init_writes_is_the_one_that_is_used(story):
    """Whoever edits the copy must not wonder why nothing changes."""
    assert story("init", "new").code == 0
    story.monkeypatch.chdir(story.folder / "new")
    shown = story("mapping", "show", "--json")
    assert shown.data["file"].endswith("mapping.toml"), shown.text
    mapping = story.folder / "new" / "mapping.toml"
    mapping.write_text(mapping.read_text().replace('family = "Family"', 'family = "ProductCode"'))
    assert "ProductCode" in story("mapping", "show").out
    assert story("config", "show", "--json").code == 0


def test_init_names_a_mapping_that_is_there_already_and_leaves_it_alone(story):
    (story.folder / "new").mkdir()
    mapping = story.folder / "new" / "mapping.toml"
    mapping.write_text(story("mapping", "show").out)
    before = mapping.read_text()
    done = story("init", "new", "--json")
    assert "mapping.toml" not in {path.rpartition("/")[2] for path in done.data["written"]}
    assert mapping.read_text() == before
    assert 'mapping = "mapping.toml"' in (story.folder / "new" / "rebates.toml").read_text()


def test_a_dry_run_counts_what_a_push_would_send_and_names_what_stays(story):
    assert story("sync", "--no-push").code == 0
    path = story.folder / "rebates.toml"
    before = path.read_text()
    path.write_text(before + "\n[push]\ntargets = []\n")
    said = story("sync", "--dry-run").out
    assert "0 writes would be sent, in 0 API calls" in said
    assert "14 more would stay in the outbox" in said
    assert "Rebate_Standing__c" not in said
    assert story("sync").code == 3, "and a push says that they were put off"
    path.write_text(before)
    said = story("plan").out
    assert "14 writes would be sent" in said
    assert "would stay" not in said


def test_a_dry_run_shows_that_an_account_is_cleared(synced):
    story = synced
    story.folder.joinpath("none").mkdir()
    path = story.folder / "rebates.toml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join('programs = "none"' if one.startswith("programs") else one for one in lines))
    said = story("sync", "--dry-run", "--allow-mass-clear").out
    cleared = [line for line in said.splitlines() if line.startswith("  Account ")]
    assert cleared
    assert all("(cleared)" in line for line in cleared)


@pytest.mark.parametrize(
    "command",
    [
        ("mapping", "schema"),
        ("mapping", "permission-set"),
        ("org", "permission-set"),
        ("schedule", "run", "--once"),
    ],
)
def test_every_command_that_ends_answers_with_one_object(story, command):
    """The README says so."""
    story.config('[schedule.sync]\nevery = "15m"\n')
    done = story(*command, "--json")
    assert done.code == 0, done.text
    assert done.data


def test_a_file_that_is_printed_stays_bare(story):
    assert story("mapping", "schema").out.startswith("{\n")
    assert story("mapping", "permission-set").out.startswith("<?xml")
    assert story("schedule", "run", "--json").code == 2, "it does not end by itself"


def test_every_command_takes_json_but_those_that_do_not_end():
    from typer.main import get_command

    from cli.commands import register
    from cli.main import app

    register(app)

    def without(command, path):
        below = getattr(command, "commands", {})
        for name, sub in below.items():
            yield from without(sub, (*path, name))
        if not below and "--json" not in {word for one in command.params for word in one.opts}:
            yield " ".join(path)

    assert set(without(get_command(app), ())) == {"work", "emulator"}


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        (("--program", "retial-2026"), 'did you mean "retail-2026"?'),
        (("--period", "2026-13"), 'did you mean "2026-'),
        (("--program", "retail-2026", "--period", "2026-Q9"), "2026-"),
        (("--status", "approved"), 'did you mean "Approved"?'),
        (("--status", "nope"), "Approved"),
    ],
)
def test_payouts_of_what_there_is_not_are_refused_with_what_was_meant(synced, asked, hint):
    story = synced
    done = story("payouts", "list", *asked, "--json")
    assert done.code == 2, done.text
    assert hint in done.error["hint"]


def test_payouts_that_there_could_be_are_none(synced):
    story = synced
    for asked in (("--status", "Paid"), ("--status", "unsent"), ("--period", "2026-11")):
        assert story("payouts", "list", *asked).code == 0


def test_a_mapping_is_written_into_a_folder_that_is_not_there_yet(story):
    done = story("mapping", "init", "nodir/m.toml")
    assert (done.code, (story.folder / "nodir" / "m.toml").exists()) == (0, True), done.text


@pytest.mark.parametrize("command", ["sync", "reconcile"])
def test_a_dry_run_before_the_first_sync_shows_what_would_be_written_and_leaves_nothing_behind(
    story, command
):
    before = {one.name for one in story.folder.iterdir()}
    done = story(command, "--dry-run", "--json")
    assert done.code == 0, done.text
    assert done.data["writes_planned"] > 7
    assert {one.name for one in story.folder.iterdir()} == before
    assert story.rows("SELECT Id FROM Rebate_Standing__c") == []
    assert story("sync", "--json").data["pushed"] == done.data["writes_planned"]


@pytest.mark.postgres
def test_a_dry_run_on_an_empty_server_makes_no_tables_there(story, postgres):
    import psycopg

    story.monkeypatch.setenv("REBATES_STATE_URL", postgres)
    done = story("sync", "--dry-run", "--json")
    assert (done.code, done.data["writes_planned"] > 7) == (0, True), done.text
    with psycopg.connect(postgres.replace("+psycopg", "")) as server:
        tables = server.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)
