"""The JSON envelope: one shape for every command, money as text, no float on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import pytest

from cli.errors import explain
from cli.main import run
from cli.output import envelope, jsonable


class Color(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Pair:
    left: Decimal
    right: Color


def test_money_is_text_times_are_utc_and_durations_are_seconds():
    moment = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    value = {
        "a": Pair(Decimal("1E+3"), Color.RED),
        "t": moment,
        "d": date(2026, 11, 24),
        "s": timedelta(seconds=1.5),
        "p": Path("x"),
    }
    assert jsonable(value) == {
        "a": {"left": "1000", "right": "red"}, "t": "2026-11-24T10:00:00Z", "d": "2026-11-24", "s": 1.5, "p": "x",
    }  # fmt: skip


def test_a_float_has_no_way_out():
    with pytest.raises(TypeError, match="float"):
        jsonable({"amount": 0.1})


def test_every_answer_has_the_same_five_keys():
    body = json.loads(envelope("org deploy", {"n": 1}, warnings=["careful"]))
    assert body == {
        "schema": "rebates.org-deploy/1",
        "ok": True,
        "data": {"n": 1},
        "warnings": ["careful"],
        "error": None,
    }
    assert json.loads(envelope("x", error={"code": "c", "message": "m", "hint": None}))["ok"] is False


def test_a_usage_error_is_json_when_json_is_asked_for(capsys):
    assert run(["sync", "--jsn", "--json"]) == 2
    body = json.loads(capsys.readouterr().out)
    assert body["error"]["code"] == "usage"
    assert "--json" in body["error"]["message"]


@pytest.mark.parametrize(
    ("typed", "meant"), [("snyc", "sync"), ("explian", "explain"), ("statsu", "status"), ("doktor", "doctor")]
)
def test_a_mistyped_command_gets_a_suggestion_and_exit_code_2(capsys, typed, meant):
    assert run([typed]) == 2
    assert f"Did you mean '{meant}'" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback():
    assert explain(ZeroDivisionError()) is None


def test_help_lists_the_exit_codes(capsys):
    assert run(["--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "3 done, rows set aside" in said


@pytest.mark.parametrize("command", [["sync"], ["status"], ["explain", "x"], ["verify"], ["outbox", "list"]])
def test_in_an_empty_folder_a_command_says_what_is_missing_and_leaves_nothing(
    capsys, tmp_path, monkeypatch, command
):
    monkeypatch.chdir(tmp_path)
    assert run(command) == 2
    said = capsys.readouterr().err
    assert "rebates init" in said or "rebates sync" in said
    assert list(tmp_path.iterdir()) == []


def test_a_mistyped_choice_gets_a_suggestion_without_the_name_of_an_exception(capsys):
    assert run(["compute", "--engine", "dukdb"]) == 2
    told = capsys.readouterr().err
    assert 'Did you mean "duckdb"?' in told
    assert "Value error" not in told
