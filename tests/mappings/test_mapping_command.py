"""`rebates mapping`: the same findings for people and programs, with no org at hand."""

import json
from contextlib import contextmanager
from datetime import date
from types import SimpleNamespace

import pyarrow as pa
import pytest
import typer
from typer.testing import CliRunner

from cli import mapping as command
from connector.port import Page
from mappings.file import read_mapping
from mappings.snapshot import read_snapshot, write_snapshot
from rebates import parse_program
from tests.mappings.org_describes import stock_org, without

app = typer.Typer()
app.add_typer(command.app, name="mapping")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments):
        return CliRunner().invoke(app, ["mapping", *map(str, arguments)])

    return invoke


@pytest.fixture
def describes(tmp_path):
    folder = tmp_path / "describes"
    write_snapshot(folder, stock_org())
    return folder


def test_a_kept_describe_says_the_same_as_the_org_did(describes):
    assert read_snapshot(describes) == stock_org()


def test_a_describe_as_other_tools_keep_it_can_be_read(tmp_path):
    account = stock_org()["Account"]
    (tmp_path / "a.json").write_text(json.dumps({"status": 0, "result": account.as_json()}))
    (tmp_path / "package.json").write_text('{"name": "not a describe"}')

    assert read_snapshot(tmp_path) == {"Account": account}


def test_a_mapping_that_fits_exits_with_0(run, describes):
    result = run("check", "standard", "--offline", describes)

    assert (result.exit_code, result.stdout) == (0, "no problems in 8 objects\n")


def test_a_missing_field_exits_with_2_and_shows_the_line(run, describes):
    write_snapshot(describes, {"Account": without(stock_org()["Account"], "Rebate_Tier__c")})
    result = run("check", "standard", "--offline", describes)

    assert result.exit_code == 2
    assert (
        'error[M102]: Account has no field "Rebate_Tier__c" that the integration user can see'
        in result.stdout
    )
    assert result.stdout.endswith("1 error, 0 warnings\n")


def test_a_broken_file_and_a_wrong_field_come_out_in_one_shape(run, describes, tmp_path):
    (tmp_path / "mapping.toml").write_text("[pull.acount]\n")
    body = json.loads(run("check", "mapping.toml", "--offline", describes, "--json").stdout)

    assert (body["schema"], body["ok"], body["error"]["code"]) == (
        "rebates.mapping-check/1",
        False,
        "mapping",
    )
    (problem,) = body["data"]["problems"]
    assert (problem["code"], problem["line"], problem["column"]) == ("M001", 1, 7)
    assert problem["help"] == 'did you mean "account"?'


def test_a_folder_without_describes_is_a_wrong_use(run, tmp_path):
    result = run("check", "standard", "--offline", tmp_path / "nowhere")

    assert result.exit_code == 2
    assert "is not a folder" in result.stderr


def test_the_shipped_mapping_is_printed_so_that_it_can_be_read_again(run, tmp_path):
    (tmp_path / "mine.toml").write_text(run("show", "standard").stdout)
    shown = json.loads(run("show", "mine.toml", "--json").stdout)["data"]

    assert shown["pull"]["product"]["query"].startswith(
        "SELECT Id, SystemModstamp, IsDeleted, Name, ProductCode"
    )
    assert shown["push"]["standing"]["match"] == "Sync_Key__c"


def test_a_permission_set_needs_no_org(run):
    result = run("permission-set", "standard")

    assert result.exit_code == 0
    assert result.stdout.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<PermissionSet')


PROGRAM = 'key = "us"\nstarts = 2026-01-01\nends = 2026-12-31\n[[tiers]]\nthreshold = "1"\nrate = "1%"\n'


class OrgWithOneOrder:
    """An org that describes itself and has one order."""

    def __init__(self):
        self.queries = []

    def describe(self, objects):
        return {name: stock_org().get(name) for name in objects}

    def query(self, soql, *, include_deleted=False):
        self.queries.append(soql)
        row = {"Id": "801000000000001AAA", "StatusCode": "Draft", "EffectiveDate": "2026-11-30"}
        selected = soql.removeprefix("SELECT ").split(" FROM ")[0].split(", ")
        yield Page(pa.table({path: pa.array([row.get(path)], pa.string()) for path in selected}))


@pytest.fixture
def live(monkeypatch):
    """The commands log in to an org that is made here."""
    org = OrgWithOneOrder()

    @contextmanager
    def opened(context, *, quiet=False, login_again=False):
        yield SimpleNamespace(
            mapping=read_mapping("standard"),
            alias="test",
            org=org,
            local_day=lambda: date(2026, 11, 24),
            programs=SimpleNamespace(programs=[parse_program(PROGRAM)]),
        )

    monkeypatch.setattr("cli.opening.opened", opened)
    return org


def test_without_a_folder_the_org_itself_is_asked(run, live):
    assert run("check").stdout == "no problems in 8 objects\n"


def test_what_the_org_says_is_kept_for_later(run, live, tmp_path):
    run("snapshot", "kept")

    assert read_snapshot(tmp_path / "kept") == stock_org()


def test_a_first_mapping_is_written_once_and_not_over_another(run, live, tmp_path):
    assert run("init", "mapping.toml").exit_code == 0
    assert read_mapping(tmp_path / "mapping.toml").pull.keys() == read_mapping("standard").pull.keys()

    again = run("init", "mapping.toml")
    assert again.exit_code == 2
    assert "--force replaces it" in again.stderr


def test_a_record_is_followed_through_one_line(run, live):
    result = run("explain", "order.active", "--id", "801000000000001AAA", "--json")

    assert json.loads(result.stdout)["data"] == {
        "object": "Order",
        "id": "801000000000001AAA",
        "steps": [
            {"what": "StatusCode", "value": "Draft"},
            {"what": "values, other", "value": "false"},
            {"what": "kept as bool", "value": "false"},
        ],
    }
    assert live.queries[0].endswith("WHERE Id IN ('801000000000001AAA') ORDER BY SystemModstamp, Id LIMIT 1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("order.activ",), 'did you mean "order.active"?'),
        (("order.active", "--id", "' OR Id != '"), "is not a record id"),
    ],
)
def test_what_cannot_be_followed_is_a_wrong_use(run, live, arguments, words):
    result = run("explain", *arguments)

    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
