"""What an org promises to its callers, held against the one in memory and the emulator over real HTTP."""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connector.config import OrgSettings
from connector.errors import Ambiguous, Misconfigured, RowRefused, WindowLost
from connector.memory import MemoryOrg
from connector.org import SalesforceOrg
from connector.port import Org
from emulator.oauth_apps import ConnectedApp, register_app
from emulator.org import Org as Emulator
from emulator.server import serve

START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
OBJECTS = ("Account", "User", "Order", "OrderItem", "Product2", "Task", "Standing__c")

FIELD = """<fields><fullName>{0}</fullName><label>{0}</label><type>{1}</type>{2}</fields>"""
STANDING = f"""<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
<label>Standing</label><pluralLabel>Standings</pluralLabel><deploymentStatus>Deployed</deploymentStatus>
<sharingModel>ReadWrite</sharingModel><nameField><label>Name</label><type>Text</type></nameField>
{FIELD.format("Key__c", "Text", "<length>40</length><externalId>true</externalId><unique>true</unique>")}
{FIELD.format("Amount__c", "Currency", "<precision>18</precision><scale>2</scale>")}
{FIELD.format("Account__c", "Lookup", "<referenceTo>Account</referenceTo><relationshipName>Standings</relationshipName>")}
{FIELD.format("Note__c", "Text", "<length>20</length>")}
</CustomObject>"""
PERMISSIONS = """<?xml version="1.0" encoding="UTF-8"?>
<PermissionSet xmlns="http://soap.sforce.com/2006/04/metadata"><label>Contract</label>
<objectPermissions><object>Standing__c</object><allowCreate>true</allowCreate><allowRead>true</allowRead>
<allowEdit>true</allowEdit><allowDelete>true</allowDelete><viewAllRecords>true</viewAllRecords>
<modifyAllRecords>true</modifyAllRecords></objectPermissions>
{}</PermissionSet>""".format(
    "".join(
        f"<fieldPermissions><field>Standing__c.{name}</field><readable>true</readable><editable>true</editable></fieldPermissions>"
        for name in ("Key__c", "Amount__c", "Account__c", "Note__c")
    )
)
MANIFEST = """<?xml version="1.0" encoding="UTF-8"?>
<Package xmlns="http://soap.sforce.com/2006/04/metadata">
<types><members>Standing__c</members><name>CustomObject</name></types>
<types><members>Contract</members><name>PermissionSet</name></types>
<version>68.0</version></Package>"""


class ContractClock:
    """A second passes with every look at it, so that stamps differ."""

    def __init__(self) -> None:
        self.at = START
        self.ticks = 0.0

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=10)
        return self.at

    def monotonic(self) -> float:
        return self.ticks

    def sleep(self, seconds: float) -> None:
        self.ticks += seconds
        self.at += timedelta(seconds=seconds)


def package() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("package.xml", MANIFEST)
        packed.writestr("objects/Standing__c.object", STANDING)
        packed.writestr("permissionsets/Contract.permissionset", PERMISSIONS)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def key() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def over_http(key: Any, clock: ContractClock, address: str) -> SalesforceOrg:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    settings = OrgSettings(
        alias="contract",
        instance_url=address,
        client_id="app",
        username="admin@acme.example",
        private_key="env:KEY",
    )
    return SalesforceOrg.connect(
        settings, clock=clock, rng=random.Random(3), log=structlog.get_logger(), environ={"KEY": pem}
    )


@pytest.fixture(scope="module")
def emulated(key: Any) -> Iterator[tuple[SalesforceOrg, Emulator]]:
    """One emulator for the module: deploying costs more than the tests do, and each test has its own keys."""
    clock = ContractClock()
    made = Emulator.create(clock=clock.now, seed=5)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    register_app(made, ConnectedApp("app", "secret", public.decode(), external=True))
    with serve(made) as running, over_http(key, clock, running.url) as org:
        *_, last = org.deploy(package())
        assert last.ok, last.failures
        (granted,) = org.query("SELECT Id FROM PermissionSet WHERE Name = 'Contract'")
        (user,) = org.query("SELECT Id FROM User WHERE Username = 'admin@acme.example'")
        assign = {
            "PermissionSetId": granted.table["Id"][0].as_py(),
            "AssigneeId": user.table["Id"][0].as_py(),
        }
        assert org.create("PermissionSetAssignment", [assign])[0].ok
        yield org, made
    made.close()


@dataclass
class Case:
    """An org and a prefix for keys that no other test uses."""

    org: Org
    own: str

    def key(self, n: int = 0) -> str:
        return f"{self.own}-{n:05d}"


@pytest.fixture(params=["memory", "emulator"])
def case(request: pytest.FixtureRequest, emulated: tuple[SalesforceOrg, Emulator]) -> Case:
    own = f"K{zlib.crc32(request.node.name.encode())}"
    if request.param == "emulator":
        return Case(emulated[0], own)
    describes = {name: d for name, d in emulated[0].describe(OBJECTS).items() if d is not None}
    return Case(MemoryOrg(describes, clock=ContractClock()), own)


def column(pages: Iterator[Any] | list[Any], name: str) -> list[Any]:
    return [value for page in pages for value in page.table[name].to_pylist()]


def test_what_does_not_exist_is_described_as_none(case: Case) -> None:
    found = case.org.describe(["Account", "Nothing__c", "Standing__c"])
    assert found["Nothing__c"] is None
    standing = found["Standing__c"]
    assert standing is not None
    key = standing.field("key__c")
    assert key is not None
    assert (key.external_id, key.unique, key.length) == (True, True, 40)


def test_an_upsert_creates_and_then_changes_the_same_record(case: Case) -> None:
    record = {"Key__c": case.key(), "Amount__c": Decimal("10000000.25"), "Note__c": "first"}
    (created,) = case.org.upsert("Standing__c", "Key__c", [record])
    (changed,) = case.org.upsert("Standing__c", "Key__c", [{"Key__c": case.key(), "Note__c": None}])
    assert (created.ok, created.created, changed.ok, changed.created) == (True, True, True, False)
    assert created.id == changed.id
    (page,) = case.org.query(f"SELECT Id, Amount__c, Note__c FROM Standing__c WHERE Key__c = '{case.key()}'")
    (row,) = page.table.to_pylist()
    assert row["Id"] == created.id
    assert Decimal(row["Amount__c"]) == Decimal("10000000.25")
    assert row["Note__c"] is None


def test_results_come_in_the_order_sent_and_each_refusal_stands_alone(case: Case) -> None:
    records = [{"Key__c": case.key(n), "Note__c": "x" * (50 if n == 1 else 5)} for n in range(3)]
    results = case.org.upsert("Standing__c", "Key__c", records)
    assert [r.key for r in results] == [case.key(n) for n in range(3)]
    assert [r.ok for r in results] == [True, False, True]
    assert results[1].code == "STRING_TOO_LONG"
    assert results[1].next_step is RowRefused
    assert results[1].fields == ("Note__c",)


def test_a_second_create_of_one_key_is_to_be_read_back(case: Case) -> None:
    record = {"Key__c": case.key(), "Note__c": "x"}
    (first,) = case.org.create("Standing__c", [record], key_field="Key__c")
    (second,) = case.org.create("Standing__c", [record], key_field="Key__c")
    assert first.created
    assert second.code == "DUPLICATE_VALUE"
    assert second.next_step is Ambiguous


def test_a_missing_required_field_refuses_the_record(case: Case) -> None:
    (result,) = case.org.create("Account", [{"AccountNumber": "1"}])
    assert (result.ok, result.code, result.fields) == (False, "REQUIRED_FIELD_MISSING", ("Name",))


def test_an_unknown_field_is_a_matter_of_configuration(case: Case) -> None:
    results = case.org.update("Account", [{"Id": account(case), "Nope__c": "1"}])
    assert results[0].next_step is Misconfigured


def test_a_record_that_never_was_cannot_be_changed(case: Case) -> None:
    (result,) = case.org.update("Account", [{"Id": "0015g0000099999AAA", "Name": "x"}])
    assert not result.ok
    assert result.next_step is RowRefused


def test_an_unknown_object_field_or_key_stops_the_stream(case: Case) -> None:
    with pytest.raises(Misconfigured, match="INVALID_TYPE"):
        list(case.org.query("SELECT Id FROM Nothing__c"))
    with pytest.raises(Misconfigured, match=r"INVALID_FIELD.*Nope__c"):
        list(case.org.query("SELECT Id, Nope__c FROM Account"))
    with pytest.raises(Misconfigured):
        list(case.org.bulk_query("SELECT Id, Nope__c FROM Account"))
    with pytest.raises(Misconfigured):
        case.org.upsert("Standing__c", "Nope__c", [{"Nope__c": "x"}])
    with pytest.raises(Misconfigured):
        list(case.org.query("SELECT Id FROM Account WHERE"))


def account(case: Case, name: str = "Contract Partner") -> str:
    (result,) = case.org.create("Account", [{"Name": name}])
    assert result.id is not None
    return result.id


def test_fields_of_a_parent_are_columns_of_their_own(case: Case) -> None:
    parent = account(case, case.own)
    case.org.upsert(
        "Standing__c", "Key__c", [{"Key__c": case.key(1), "Account__c": parent}, {"Key__c": case.key(2)}]
    )
    soql = f"SELECT Key__c, Account__r.Name FROM Standing__c WHERE Key__c LIKE '{case.own}%' ORDER BY Key__c"
    pages = list(case.org.query(soql))
    assert pages[0].table.column_names == ["Key__c", "Account__r.Name"]
    assert column(pages, "Account__r.Name") == [case.own, None]


def test_many_records_come_in_pages_that_can_be_gone_on_from(case: Case) -> None:
    records = [{"Key__c": case.key(n)} for n in range(2_001)]
    assert all(r.ok for r in case.org.upsert("Standing__c", "Key__c", records))
    soql = f"SELECT Key__c FROM Standing__c WHERE Key__c LIKE '{case.own}-%' ORDER BY Key__c"
    pages = list(case.org.query(soql))
    assert [p.table.num_rows for p in pages] == [2_000, 1]
    assert [p.total for p in pages] == [2_001, 2_001]
    assert column(pages, "Key__c") == [case.key(n) for n in range(2_001)]
    assert column(case.org.query(soql, locator=pages[0].locator), "Key__c") == [case.key(2_000)]
    assert sorted(column(case.org.bulk_query(soql.split(" ORDER")[0]), "Key__c")) == [
        case.key(n) for n in range(2_001)
    ]
    (polled,) = case.org.poll([soql])
    assert polled.table.num_rows == 2_000
    assert column(case.org.query(soql, include_deleted=True, locator=polled.locator), "Key__c") == [
        case.key(2_000)
    ]
    (count,) = case.org.query(soql.replace("Key__c FROM", "COUNT() FROM").split(" ORDER")[0])
    assert (count.total, count.table.num_columns, count.table.num_rows) == (2_001, 0, 0)


def test_a_locator_that_the_org_forgot_loses_the_window(case: Case) -> None:
    with pytest.raises(WindowLost):
        list(
            case.org.query(
                "SELECT Id FROM Account", locator="/services/data/v68.0/query/01g5g0000099999AAA-2000"
            )
        )


def test_windows_and_keysets_of_stamps_select_exactly(case: Case) -> None:
    keys = [case.key(n) for n in range(4)]
    for key in keys:
        case.org.upsert("Standing__c", "Key__c", [{"Key__c": key}])
    like = f"Key__c LIKE '{case.own}-%'"
    (page,) = case.org.query(
        f"SELECT Id, SystemModstamp FROM Standing__c WHERE {like} ORDER BY SystemModstamp, Id"
    )
    ids, stamps = (
        page.table["Id"].to_pylist(),
        [s.replace("+0000", "Z") for s in page.table["SystemModstamp"].to_pylist()],
    )
    after = f"((SystemModstamp = {stamps[0]} AND Id > '{ids[0]}') OR SystemModstamp > {stamps[0]})"
    soql = f"SELECT Key__c FROM Standing__c WHERE {like} AND SystemModstamp < {stamps[3]} AND {after} ORDER BY SystemModstamp, Id LIMIT 5"
    assert column(case.org.query(soql), "Key__c") == keys[1:3]
    chosen = f"SELECT Key__c FROM Standing__c WHERE Id IN ('{ids[0]}','{ids[3]}') AND IsDeleted = false"
    assert sorted(column(case.org.query(chosen), "Key__c")) == [keys[0], keys[3]]


def test_a_poll_answers_each_question_and_names_the_refused_one(case: Case) -> None:
    pages = case.org.poll(["SELECT Id FROM Account WHERE Name = 'nobody'", "SELECT Id FROM User LIMIT 1"])
    assert [p.table.column_names for p in pages] == [["Id"], ["Id"]]
    with pytest.raises(Misconfigured) as caught:
        case.org.poll(["SELECT Id FROM Account", "SELECT Nope__c FROM Account"])
    assert caught.value.at == 1


def test_a_bulk_upsert_says_its_id_first_and_ends_as_a_small_one_does(case: Case) -> None:
    told: list[str] = []
    records = [{"Key__c": case.key(n), "Note__c": "x" * (50 if n == 7 else 5)} for n in range(20)]
    results = case.org.bulk_upsert("Standing__c", "Key__c", records, on_job=told.append)
    assert len(told) == 1
    assert [r.key for r in results] == [case.key(n) for n in range(20)]
    assert [n for n, r in enumerate(results) if not r.ok] == [7]
    assert (results[7].code, results[7].next_step) == ("STRING_TOO_LONG", RowRefused)
    again = case.org.bulk_upsert("Standing__c", "Key__c", [{"Key__c": case.key(n)} for n in range(3)])
    assert [(r.id, r.created) for r in again] == [(r.id, False) for r in results[:3]]


class Killed(Exception):
    """The process died here."""


def started(case: Case) -> str:
    """A bulk upsert whose sender dies as soon as it has the job's id."""
    told: list[str] = []

    def stop(job: str) -> None:
        told.append(job)
        raise Killed

    with pytest.raises(Killed):
        case.org.bulk_upsert("Standing__c", "Key__c", [{"Key__c": case.key()}], on_job=stop)
    return told[0]


def test_a_job_whose_sender_died_before_its_upload_is_aborted_and_gone(case: Case) -> None:
    job = started(case)
    assert case.org.recover_job("Standing__c", "Key__c", job) is None
    with pytest.raises(WindowLost):
        case.org.recover_job("Standing__c", "Key__c", job)
    assert not [key for page in case.org.query(f"SELECT Id FROM Standing__c WHERE Key__c = '{case.key()}'")
                for key in page.table["Id"].to_pylist()]  # fmt: skip


def test_open_jobs_of_unknown_id_are_aborted_once(case: Case) -> None:
    started(case)
    started(case)
    since = START - timedelta(days=1)
    assert case.org.abort_open_jobs("Standing__c", since=since) == 2
    assert case.org.abort_open_jobs("Standing__c", since=since) == 0


def test_a_bulk_query_can_be_taken_up_by_its_id(case: Case) -> None:
    case.org.upsert("Standing__c", "Key__c", [{"Key__c": case.key()}])
    soql = f"SELECT Key__c FROM Standing__c WHERE Key__c = '{case.key()}'"

    class Killed(Exception):
        pass

    told: list[str] = []

    def stop(job: str) -> None:
        told.append(job)
        raise Killed

    with pytest.raises(Killed):
        list(case.org.bulk_query(soql, on_job=stop))
    assert column(case.org.bulk_query(soql, job_id=told[0]), "Key__c") == [case.key()]
    with pytest.raises(WindowLost):
        list(case.org.bulk_query(soql, job_id="7505g0000099999AAA"))


def test_a_bulk_query_runs_in_the_org_before_anybody_reads_it(case: Case) -> None:
    case.org.upsert("Standing__c", "Key__c", [{"Key__c": case.key()}])
    soql = f"SELECT Key__c FROM Standing__c WHERE Key__c = '{case.key()}'"
    first, second = case.org.bulk_start(soql), case.org.bulk_start(soql)
    assert first != second
    assert column(case.org.bulk_read(soql, second), "Key__c") == [case.key()]
    assert column(case.org.bulk_read(soql, first), "Key__c") == [case.key()]
    with pytest.raises(WindowLost):
        list(case.org.bulk_read(soql, "7505g0000099999AAA"))


def test_a_bulk_query_that_nobody_waits_for_is_ended_once_or_twice(case: Case) -> None:
    soql = "SELECT Key__c FROM Standing__c"
    job = case.org.bulk_start(soql)
    case.org.bulk_abort(job)
    case.org.bulk_abort(job)
    with pytest.raises(WindowLost):
        list(case.org.bulk_read(soql, job))


def test_records_are_counted_without_a_query(case: Case) -> None:
    before = case.org.record_counts(["Standing__c"])["Standing__c"]
    case.org.upsert("Standing__c", "Key__c", [{"Key__c": case.key(n)} for n in range(3)])
    calls = case.org.usage.calls
    assert case.org.record_counts(["Standing__c", "Nonsense__c"]) == {"Standing__c": before + 3}
    assert case.org.usage.calls - calls == 1


@pytest.mark.parametrize("write", ["upsert", "bulk_upsert"])
def test_one_key_twice_is_refused_before_it_is_sent(case: Case, write: str) -> None:
    send: Callable[..., Any] = getattr(case.org, write)
    before = case.org.usage.calls
    with pytest.raises(Misconfigured, match="KEY_TWICE"):
        send("Standing__c", "Key__c", [{"Key__c": "a"}, {"Key__c": "A"}])
    assert case.org.usage.calls == before


def test_nothing_is_ever_ahead_of_the_orgs_clock_and_calls_are_counted(case: Case) -> None:
    before = case.org.usage.calls
    assert case.org.server_time().tzinfo is not None
    case.org.poll(["SELECT Id FROM User LIMIT 1"])
    assert case.org.usage.calls == before + 1
    assert sum(case.org.usage.by_kind.values()) >= case.org.usage.calls
    assert len(case.org.org_id) == 18
