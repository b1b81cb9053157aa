"""`rebates mapping`: the same findings for people and programs, with no org at hand."""

import json

import pytest
import typer
from typer.testing import CliRunner

from cli import mapping as command
from mappings.snapshot import read_snapshot, write_snapshot
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

    assert (result.exit_code, result.stdout) == (0, "no problems in 7 objects\n")


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
