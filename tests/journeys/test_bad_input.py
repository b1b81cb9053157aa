"""What people get wrong, and what they are told: what, where, why, the next command; nothing lost, no traceback."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from own_files import use_mapping, use_programs

import mappings
from emulator.raw_rows import change, user_named
from emulator.seed_story import LUMIERE

SHIPPED = Path(__file__).parents[2] / "programs"


def refused(done, code):
    assert done.code == code, done.text
    assert "Traceback" not in done.text
    return done.error


def edit(world, old, new):
    path = world.folder / "rebates.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_unreachable_host_is_named_with_the_setting_to_check(story):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        edit(story, story.url, f"http://127.0.0.1:{taken.getsockname()[1]}")
        error = refused(story("sync", "--json"), 1)
    assert error["code"] == "NO_CONNECTION"
    assert "instance_url" in error["hint"]


def test_a_wrong_key_is_an_authentication_failure_and_is_not_hammered(story):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    wrong = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (key,) = story.folder.glob("*.key")
    key.write_bytes(wrong)
    error = refused(story("sync", "--json"), 4)
    assert error["code"].lower() == "invalid_grant"
    assert "BEGIN" not in json.dumps(error)


def test_a_key_that_others_may_read_is_refused(story):
    (key,) = story.folder.glob("*.key")
    key.chmod(0o644)
    error = refused(story("sync", "--json"), 2)
    assert "600" in error["message"] + str(error["hint"])


def test_the_wrong_org_is_refused_before_anything_is_read(story):
    edit(story, story.org.id, "00D000000000001EAA")
    before = story.org.usage.total
    error = refused(story("sync", "--json"), 2)
    assert "org" in error["message"]
    assert story.org.usage.total == before


def test_a_store_of_another_org_is_never_written_to(story):
    from state import meta
    from state.store import Store

    store = Store.open(f"sqlite:///{story.folder}/rebates.db")
    with store.transaction() as tx:
        meta.pin_org(tx, "00D000000000001EAA")
    store.close()
    error = refused(story("sync", "--json"), 2)
    assert error["code"] == "wrong_org"
    assert "00D000000000001EAA" in error["message"]


def test_a_field_that_is_not_there_is_shown_with_line_and_caret_and_a_suggestion(story):
    from mappings.file import standard_text

    (story.folder / "mapping.toml").write_text(
        standard_text().replace('family = "Family"', 'family = "Familiy"')
    )
    edit(story, 'mapping = "standard"', 'mapping = "mapping.toml"')
    done = story("sync")
    assert done.code == 2
    assert 'Product2 has no field "Familiy"' in done.err
    assert "^^^^^^^" in done.err
    assert 'did you mean "Family"' in done.err
    done = story("mapping", "check", "--json")
    assert done.code == 2


def test_without_the_package_the_sync_says_to_deploy_it_and_nothing_is_lost(new_world):
    from emulator.seed_story import seed_story

    world = new_world(seed_story)
    done = world("sync")
    assert done.code == 2
    assert "Rebate_Standing__c" in done.err
    assert "Traceback" not in done.text
    assert world("org", "deploy").code == 0
    assert world("sync").code == 0


def test_a_row_that_cannot_be_read_is_set_aside_and_comes_back_when_it_is_mended(story):
    """A product's stamp is fine, its order's date is not: the order's id, field and reason are kept."""
    edit(story, 'mapping = "standard"', 'mapping = "mapping.toml"')
    from mappings.file import standard_text

    strict = standard_text().replace(
        'type = "Type"\nordered_on',
        'type = { field = "Type", values = { Standard = "Standard" }, other = "error" }\nordered_on',
    )
    assert strict != standard_text()
    (story.folder / "mapping.toml").write_text(strict)
    (order,) = story.rows("SELECT Id FROM Order WHERE Account.Name = 'Petite Fleur Boutique'")
    from emulator.seed_story import seed_story

    assert seed_story
    story.org.storage.execute('UPDATE "Order" SET "Type" = ? WHERE "Id" = ?', ("Odd", order["Id"]))
    done = story("sync", "--json")
    assert done.code == 3, done.text
    aside = story("status", "--json").data["set_aside"]
    assert [
        (row["entity"], row["id"], row["field"]) for row in aside["first"] if row["id"] == order["Id"]
    ] == [("order", order["Id"], "type")]
    stamp = story.org.stamp()
    story.org.storage.execute(
        'UPDATE "Order" SET "Type" = ?, "SystemModstamp" = ? WHERE "Id" = ?', ("Standard", stamp, order["Id"])
    )
    story.wait(minutes=15)
    story("sync")
    aside = story("status", "--json").data["set_aside"]
    assert order["Id"] not in [row["id"] for row in aside["first"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("explain", LUMIERE, "--program", "retail-2025"), 'did you mean "retail-2026"?'),
        (("explain", "No such company"), 'no account "No such company"'),
        (("explain", LUMIERE, "--period", "2031-01"), "has no standing there"),
    ],
)
def test_a_name_that_is_not_there_gets_a_suggestion(synced, arguments, said):
    story = synced
    done = story(*arguments)
    assert done.code == 2
    assert said in done.err.replace("\n", " ")


def test_a_broken_program_file_keeps_its_last_valid_version_in_force(story):
    folder = use_programs(story, **{path.stem: path.read_text() for path in SHIPPED.glob("*.toml")})
    assert story("sync").code == 0
    retail = folder / "retail-2026.toml"
    retail.write_text(retail.read_text().replace('rate = "15%"', 'raet = "15%"'))
    story.wait(minutes=15)
    done = story("sync", "--json")
    assert done.code == 2, "a person must mend it"
    assert "retail-2026.toml is not valid (" in done.error["message"]
    assert "its last valid version stays in force" in done.error["message"]
    assert any("retail-2026.toml is not valid" in warning for warning in json.loads(done.out)["warnings"])
    assert done.data["standings_changed"] == 0, "and nothing moved"
    checked = story("program", "check", str(retail))
    assert checked.code == 2
    assert "did you mean" in checked.text


def test_two_files_with_one_key_are_refused(story):
    text = (SHIPPED / "retail-2026.toml").read_text()
    use_programs(story, a=text, b=text)
    assert "retail-2026" in refused(story("sync", "--json"), 2)["message"]


def test_a_store_that_is_no_database_is_kept_and_named(story):
    (story.folder / "rebates.db").write_bytes(b"this is not a database, it is a letter to my aunt" * 100)
    error = refused(story("sync", "--json"), 1)
    assert error["code"] == "store_corrupt"
    assert "rebates.db" in error["message"]


def test_a_typo_in_the_configuration_is_found_with_its_file(story):
    edit(story, 'mapping = "standard"', 'maping = "standard"')
    error = refused(story("sync", "--json"), 2)
    assert 'did you mean "mapping"?' in error["message"]
    assert "rebates.toml" in error["message"]


# --- most of a stream cannot be read ------------------------------------------------------------------------
def mistaken(world, monkeypatch):
    """The business day of an order is taken from a field that nobody fills in."""
    monkeypatch.setattr("jobs.rejecting.FEW", 3)
    standard = Path(mappings.__file__).with_name("standard.toml").read_text()
    assert 'ordered_on = "EffectiveDate"' in standard
    world.standard = (world.folder / "rebates.toml").read_text()
    use_mapping(world, standard.replace('ordered_on = "EffectiveDate"', 'ordered_on = "PoDate"'))


def money(world):
    return world.rows("SELECT Sync_Key__c, Rebate__c, Qualifying_Amount__c FROM Rebate_Standing__c")


def test_a_mapping_mistake_stops_its_stream_and_sets_nothing_aside(synced, monkeypatch):
    story = synced
    before = money(story)
    mistaken(story, monkeypatch)
    (account,) = story.rows(f"SELECT Id FROM Account WHERE Name = '{LUMIERE}'")
    with story.org.storage.transaction():
        change(story.org, "Account", account["Id"], user_named(story.org), BillingCountry="Norway")
    story.wait(minutes=15)
    done = story("sync", "--json")
    error = refused(done, 2)
    assert error["code"] == "TOO_MANY_REJECTED"
    assert "ordered_on missing" in done.data["stopped"]["order"]["detail"]
    assert "rejected_rows_share" in done.data["stopped"]["order"]["hint"]
    assert list(done.data["stopped"]) == ["order"]
    assert done.data["rejected"] == 0, "nothing of it is set aside"
    assert done.data["changed"] > 0, "the other streams go on"
    assert money(story) == before, "the standings stay as they are"
    story.wait(minutes=15)
    done = story("reconcile", "--json")
    assert list(done.data["stopped"]) == ["order"], "not through the back door either"
    assert money(story) == before
    (story.folder / "rebates.toml").write_text(story.standard)
    story.wait(minutes=15)
    assert story("sync").code == 0
    assert story("verify", "--deep").code == 0


def test_at_a_first_load_the_others_are_read_and_nothing_of_it(story, monkeypatch):
    mistaken(story, monkeypatch)
    done = story("sync", "--json")
    assert refused(done, 2)["code"] == "TOO_MANY_REJECTED"
    assert {one["entity"] for one in done.data["streams"]} >= {"account", "order_line"}
    assert money(story) == []
    (story.folder / "rebates.toml").write_text(story.standard)
    story.wait(minutes=15)
    assert story("sync").code == 0
    assert story("verify", "--deep").code == 0


def test_a_person_may_say_that_the_rows_themselves_are_bad(story, monkeypatch):
    mistaken(story, monkeypatch)
    story.config("[sync]\nrejected_rows_share = 1.0\n")
    done = story("sync", "--json")
    assert (done.code, done.data["stopped"]) == (3, {})
    assert done.data["rejected"] > 3
    assert story("reconcile", "--json").data["stopped"] == {}, "what waits for a person is no news"
