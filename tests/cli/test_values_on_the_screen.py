"""What people typed into the org or a program is shown as they typed it: no text of a record is a command to the screen."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from rich.table import Table

from cli import output
from cli.consoles import Plain
from cli.standings import _order, _orders, _show_status
from state.evidence import ContributionView

ODD = (
    "PO [/7]",
    "wait [finance] ok",
    "[red]7",
    "stop [/all] now",
    ":warning: ends in \\",
    "[link=x]y[/link]",
)


def shown(what: object) -> str:
    """What a terminal-less console of ours prints."""
    console = Plain(file=io.StringIO(), width=140, soft_wrap=True)
    console.print(what)
    return console.file.getvalue()


@pytest.mark.parametrize("value", ODD)
def test_a_value_is_never_read_as_markup_wherever_it_stands(value):
    table = Table(title=value)
    table.add_column(value)
    table.add_row(value)
    assert shown(value) == f"{value}\n"
    assert shown(table).count(value) == 3
    assert shown(output.styled(("paused:", "bold yellow"), f" {value}")) == f"paused: {value}\n"


@pytest.mark.parametrize("value", ODD)
def test_an_order_is_listed_under_the_number_that_the_customer_gave_it(value):
    part = ContributionView(
        order_id="801", order_number=value, account_id="001", account_name=value, ordered_on=date(2026, 11, 3), ordered_at=None, lines=1,
        quantity=Decimal(1), amount=Decimal("10.00"), currency="USD", bucket="qualifying",
    )  # fmt: skip
    assert value in shown_order(part)
    assert "801" in shown_order(replace(part, order_number=None))


def shown_order(part: ContributionView) -> str:
    table = _orders("counted")
    table.add_row(*_order(part, "USD"))
    return shown(table)


@pytest.mark.parametrize("value", ODD)
def test_the_status_says_why_somebody_paused_in_their_words(value):
    nothing: dict[str, object] = {"first": [], "payouts": [], "records": 0}
    found = {
        "org_id": "00D", "store": "sqlite", "paused": value, "late": [], "stopped": {}, "running": [], "streams": [],
        "outbox": {}, "set_aside": nothing, "runs": [], "payouts": [], "open_balances": [], "next": {},
        "programs": {"last_valid_version": [], "unknown": [], "refused": []}, "periods": {"closing": [], "earlier": {}},
    }  # fmt: skip
    console = Plain(file=io.StringIO(), width=140, soft_wrap=True)
    _show_status(console, found)
    assert f"paused: {value} (go on with" in console.file.getvalue()


@pytest.mark.parametrize("value", ODD)
def test_warnings_and_errors_show_values_as_they_are(value, capsys):
    output.emit("x", {}, as_json=False, human=lambda console: console.print(value), warnings=[value])
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{value}\n", f"warning: {value}\n")


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("PO\x1b[2J7", "PO\\x1b[2J7"),
        ("A\x1b]0;x\x07", "A\\x1b]0;x\\x07"),
        ("9\x9b1mB\x7f", "9\\x9b1mB\\x7f"),
        ("over\rwritten", "over\\x0dwritten"),
        ("\u202e001 USD", "\\u202e001 USD"),
        ("two\r\nlines", "two\nlines"),
        ("Ääß €, 日本, emoji 😀", "Ääß €, 日本, emoji 😀"),
    ],
)
def test_a_value_cannot_command_the_terminal(value, seen, capsys):
    table = Table(title=value, box=None)
    table.add_column(value)
    table.add_row(value)
    table.add_row(output.styled((value, "bold")))
    written = shown(table)
    assert not set(written) & {"\x1b", "\x07", "\x9b", "\x7f", "\r", "\u202e"}
    for line in seen.split("\n"):
        assert written.count(line) == 4
    output.emit("x", {}, as_json=False, human=lambda console: console.print(value), warnings=[value])
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{seen}\n", f"warning: {seen}\n")


def test_our_own_styles_still_colour_a_terminal():
    console = Plain(file=io.StringIO(), force_terminal=True, width=140)
    console.print(output.styled(("paused:", "bold"), " \x1b[31mred"))
    assert console.file.getvalue() == "\x1b[1mpaused:\x1b[0m \\x1b[31mred\n"
