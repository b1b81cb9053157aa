"""`rebates program …` as a person or a script meets it: results, refusals, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import run
from rebates.keys import SECTIONS

PROGRAM = """key = "p"
starts = 2026-01-01
ends = 2026-12-31
[[tiers]]
name = "Silver"
threshold = "1000"
rate = "5%"
[[tiers]]
name = "Gold"
threshold = "5000"
rate = "15%"
"""
ORDERS = """order_id,line_id,account_id,date,quantity,amount
O1,1,A1,2026-01-05,10,3000.00
O2,1,A1,2026-01-06,2,1500.00
O3,1,A1,2026-01-07,-1,-500.00
O4,1,A2,2026-02-07,1,10.00
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "p.toml").write_text(PROGRAM)
    (tmp_path / "orders.csv").write_text(ORDERS)
    return tmp_path


def said(capsys, *words: object) -> tuple[int, dict]:
    code = run([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_program_is_tried_on_a_file_of_orders(files, capsys):
    code, told = said(capsys, "program", "try", files / "p.toml", "--orders", files / "orders.csv")
    assert code == 0
    assert told["ok"] is True
    first, second = told["data"]["standings"]
    wanted = {
        "member": "A1", "period_start": "2026-01-01", "period_end": "2026-01-31", "qualifying_amount": "4000.00", "qualifying_quantity": "11",
        "tier": "Silver", "rebate": "200.00", "next_tier": "Gold", "to_next_tier": "1000.00", "rebate_at_next_tier": "750.00",
    }  # fmt: skip
    assert {key: first[key] for key in wanted} == wanted
    assert (second["member"], second["tier"], second["rebate"]) == ("A2", None, "0.00")
    assert [step["text"] for step in first["steps"]][-1] == "rebate 200.00 USD (exact)"


def test_later_lines_have_not_happened_yet(files, capsys):
    _, told = said(
        capsys, "program", "try", files / "p.toml", "--orders", files / "orders.csv", "--as-of", "2026-01-05"
    )
    assert [row["rebate"] for row in told["data"]["standings"]] == ["150.00"]
    assert told["data"]["excluded"][0]["reason"] == "dated after 2026-01-05"


def test_unreadable_rows_are_set_aside_with_line_field_and_reason(files, capsys):
    bad = "O5,1,A1,2026-13-01,1,5\nO6,1,A1,2026-01-09,one,5\nO7,1,A1,2026-01-09,1,NaN\nO8,1,,2026-01-09,1,5\nO1,1,A1,2026-01-05,10,3000.00\nO9,1,A1\n"
    (files / "orders.csv").write_text(ORDERS + bad)
    code, told = said(capsys, "program", "try", files / "p.toml", "--orders", files / "orders.csv")
    assert code == 3
    assert [(row["line"], row["field"]) for row in told["data"]["rejected"]] == [
        (6, "date"),
        (7, "quantity"),
        (8, "amount"),
        (9, "account_id"),
        (10, "line_id"),
        (11, ""),
    ]
    assert told["data"]["standings"][0]["rebate"] == "200.00", "the good rows go on"
    assert told["warnings"] == ["6 rows could not be read and were set aside"]


def test_a_moment_outside_every_calendar_sets_only_its_own_row_aside(files, capsys):
    far = "O5,1,A1,0001-01-01T00:00:00+05:00,1,5\nO6,1,A1,9999-12-31T23:59:59-05:00,1,5\n"
    (files / "orders.csv").write_text(ORDERS + far)
    code, told = said(capsys, "program", "try", files / "p.toml", "--orders", files / "orders.csv")
    assert code == 3
    assert [(row["line"], row["field"]) for row in told["data"]["rejected"]] == [(6, "date"), (7, "date")]
    assert told["data"]["standings"][0]["rebate"] == "200.00"


def test_a_row_is_named_by_the_line_it_begins_in(files, capsys):
    (files / "orders.csv").write_text(ORDERS + 'O5,1,"A\n3",never,1,5\nO1,1,A1,2026-01-05,10,3000.00\n')
    _, told = said(capsys, "program", "try", files / "p.toml", "--orders", files / "orders.csv")
    assert [(row["line"], row["reason"][:29]) for row in told["data"]["rejected"]] == [
        (6, "'never' is not a day (2026-01"),
        (8, "the same order and line as in"),
    ]


def test_a_second_record_of_one_account_does_not_replace_the_first(files, capsys):
    (files / "p.toml").write_text(PROGRAM.replace("[[tiers]]", '[members]\ntype = "Reseller"\n[[tiers]]', 1))
    (files / "accounts.csv").write_text(
        "account_id,type,active_from\nA1,Reseller,20260106T101010Z\nA1,Customer,\n"
    )
    code, told = said(
        capsys, "program", "try", files / "p.toml", "--orders", files / "orders.csv", "--accounts", files / "accounts.csv",
    )  # fmt: skip
    assert code == 3
    assert [(row["file"], row["line"], row["reason"]) for row in told["data"]["rejected"]] == [
        ("accounts.csv", 3, "the same account as in line 2")
    ]
    assert [row["rebate"] for row in told["data"]["standings"]] == ["50.00"], (
        "1500 less 500, from its first day on"
    )


def test_text_in_utf_16_is_refused_with_what_to_do(files, capsys):
    for encoding in ("utf-16", "utf-16-le"):
        (files / "orders.csv").write_text(ORDERS, encoding=encoding)
        code, told = said(capsys, "program", "try", files / "p.toml", "--orders", files / "orders.csv")
        assert (code, told["error"]["hint"]) == (2, "save the file as CSV UTF-8")
        assert "is not UTF-8 text" in told["error"]["message"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("order_id,line_id,acount_id,date,quantity,amount\n", "account_id"),
        ("order_id,line_id,account_id,date,quantity,amount,amount\n", "twice"),
        (
            'order_id,line_id,account_id,date,quantity,amount\nO1,1,"A1,2026-01-01,1,5',
            "unexpected end of data",
        ),
    ],
)
def test_a_file_that_is_no_order_file_is_refused_as_a_whole(files, capsys, text, message):
    (files / "orders.csv").write_text(text)
    code, told = said(capsys, "program", "try", files / "p.toml", "--orders", files / "orders.csv")
    assert code == 2
    assert message in told["error"]["message"]


def test_a_file_that_is_not_text_is_refused(files, capsys):
    (files / "orders.csv").write_bytes(b"order_id,\xff\xfe")
    code, told = said(capsys, "program", "try", files / "p.toml", "--orders", files / "orders.csv")
    assert (code, "UTF-8" in told["error"]["message"]) == (2, True)


def test_a_missing_file_is_a_usage_error(files, capsys):
    code, told = said(capsys, "program", "try", files / "p.toml", "--orders", files / "nowhere.csv")
    assert (code, told["ok"]) == (2, False)


def test_semicolons_a_byte_order_mark_and_windows_line_ends_are_read(files, capsys):
    (files / "orders.csv").write_bytes(
        b"\xef\xbb\xbf" + ORDERS.replace(",", ";").replace("\n", "\r\n").encode()
    )
    code, told = said(capsys, "program", "try", files / "p.toml", "--orders", files / "orders.csv")
    assert (code, told["data"]["standings"][0]["rebate"]) == (0, "200.00")


def test_all_problems_of_a_program_are_told_at_once_with_line_and_suggestion(files, capsys):
    broken = (
        PROGRAM.replace('rate = "5%"', 'rat = "5%"').replace('threshold = "5000"', "threshold = 999.5")
        + 'metod = "stepped"\n'
    )
    (files / "p.toml").write_text(broken)
    code, told = said(capsys, "program", "check", files / "p.toml")
    assert code == 2
    problems = told["data"]["files"][0]["problems"]
    assert [(p["line"], p["code"]) for p in problems] == [
        (7, "unknown-key"),
        (10, "float"),
        (12, "unknown-key"),
    ]
    assert problems[0]["suggestion"] == 'did you mean "rate"?'
    assert 'in quotes: "999.5"' in problems[1]["suggestion"]


def test_a_sound_program_is_checked_with_its_cliffs(files, capsys):
    code, told = said(capsys, "program", "check", files / "p.toml")
    assert code == 0
    cliff = next(f for f in told["data"]["files"][0]["findings"] if f["code"] == "cliff")
    assert "jumps by 500.00 USD" in cliff["message"]
    assert cliff["line"] == 8


def test_what_a_sync_would_refuse_is_said_before_it_runs(files, capsys):
    """`program try` computes it, so it is valid; that its standings in the org will not move must not be a surprise."""
    shared = PROGRAM + '[hierarchy]\nroll_up = "parent"\npay = "share"\n[settlement]\nwindow = "year"\n'
    (files / "p.toml").write_text(shared)
    code, told = said(capsys, "program", "check", files / "p.toml")
    first = told["data"]["files"][0]["findings"][0]
    assert (code, first["level"], first["code"]) == (0, "warning", "not-in-a-sync")
    assert first["message"].startswith(
        'a sync refuses this program: pay = "share" is divided period by period'
    )


def test_a_file_with_semicolons_whose_points_may_stand_between_thousands_says_both_readings(files, capsys):
    def tried(text):
        (files / "orders.csv").write_text(text.replace(",", ";"))
        return said(capsys, "program", "try", files / "p.toml", "--orders", files / "orders.csv")

    thousands = (
        ORDERS.replace("3000.00", "3.000")
        .replace("1500.00", "1.500")
        .replace("500.00", "500")
        .replace("10.00", "10")
    )
    code, told = tried(thousands)
    assert code == 3
    reasons = [(row["line"], row["field"], row["reason"]) for row in told["data"]["rejected"]]
    assert reasons == [
        (2, "amount", "'3.000' is 3000 to some and 3 to others: write 3000, or 3"),
        (3, "amount", "'1.500' is 1500 to some and 1.5 to others: write 1500, or 1.5"),
    ]
    code, told = tried(thousands + "O9,1,A3,2026-01-05,1,0.500\n")
    assert (code, told["data"]["rejected"]) == (0, []), (
        "no thousand begins with a zero: the point stands before decimals"
    )
    (files / "orders.csv").write_text(thousands)
    assert said(capsys, "program", "try", files / "p.toml", "--orders", files / "orders.csv")[0] == 0


def test_an_amendment_is_checked_beside_the_terms_that_it_amends(files, capsys):
    (files / "new.toml").write_text(
        PROGRAM.replace("[[tiers]]", 'effective_from = 2026-03-01\namendment = "as_of"\n[[tiers]]', 1)
    )
    _, alone = said(capsys, "program", "check", files / "new.toml")
    assert "the file with the terms before it" in alone["data"]["files"][0]["findings"][0]["message"]
    _, told = said(capsys, "program", "check", files / "p.toml", files / "new.toml")
    codes = [found["code"] for file in told["data"]["files"] for found in file["findings"]]
    assert "not-in-a-sync" not in codes


def test_versions_that_contradict_each_other_are_a_problem_of_the_newer_file(files, capsys):
    (files / "new.toml").write_text(PROGRAM)
    code, told = said(capsys, "program", "check", files / "p.toml", files / "new.toml")
    assert code == 2
    assert [entry["ok"] for entry in told["data"]["files"]] == [True, False]
    (problem,) = told["data"]["files"][1]["problems"]
    assert problem["message"] == "two versions of p begin on 2026-01-01"


def test_an_amendment_that_cannot_be_added_up_is_a_problem_of_the_newer_file(files, capsys):
    amendment = 'effective_from = 2026-03-10\namendment = "as_of"\n[qualifier_counts]\nproduct.family = "Care"\n[[tiers]]'
    (files / "new.toml").write_text(PROGRAM.replace("[[tiers]]", amendment, 1))
    code, told = said(capsys, "program", "check", files / "p.toml", files / "new.toml")
    assert code == 2
    assert [entry["ok"] for entry in told["data"]["files"]] == [True, False]
    (problem,) = told["data"]["files"][1]["problems"]
    assert problem["key"] == "effective_from"
    assert "only one of them counts 'qualifier'" in problem["message"]
    assert "let it begin with a period (effective_from = 2026-04-01)" in problem["message"]


def test_targets_for_a_period_that_no_program_has_are_told(files, capsys):
    """Else a slip in the period's name would leave the member's general target in force without a word."""
    (files / "t.csv").write_text("account_id,period,target\nA1,,100\nA1,2026-1,200\n")
    _, told = said(
        capsys,
        "program",
        "try",
        files / "p.toml",
        "--orders",
        files / "orders.csv",
        "--targets",
        files / "t.csv",
    )
    (warning,) = told["warnings"]
    assert "the period '2026-1', which no program has: did you mean \"2026-1" in warning


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ('currency = "EUR"', "pay in USD and EUR: which is better depends on the rate"),
        ('period = "quarter"', "their periods differ: both would pay"),
        ("starts = 2026-01-16", "their periods differ: both would pay"),
    ],
)
def test_exclusive_programs_that_cannot_be_compared_are_refused(files, capsys, other, reason):
    """10 EUR are not less than 15 USD, and a quarter's deal is not beaten in any of its months."""
    exclusive = 'stacking = "exclusive"\n' + PROGRAM
    (files / "p.toml").write_text(exclusive)
    second = exclusive.replace('"p"', '"q"')
    second = second.replace("starts = 2026-01-01", other) if "starts" in other else f"{other}\n{second}"
    (files / "q.toml").write_text(second)
    code, told = said(capsys, "program", "check", files / "p.toml", files / "q.toml")
    assert code == 2
    assert [reason.split(":")[-1] in one["problems"][0]["message"] for one in told["data"]["files"]] == [
        True
    ] * 2
    assert reason in told["data"]["files"][0]["problems"][0]["message"]
    both = ("program", "try", files / "p.toml", files / "q.toml", "--orders", files / "orders.csv")
    code, told = said(capsys, *both)
    assert (code, told["ok"], reason.split(":")[-1] in told["error"]["message"]) == (2, False, True)


def test_people_read_place_message_and_help(files, capsys):
    (files / "p.toml").write_text(PROGRAM.replace("[[tiers]]", "[[teirs]]", 1))
    assert run(["program", "check", str(files / "p.toml")]) == 2
    out = capsys.readouterr().out
    assert "p.toml:4:1: error: teirs: unknown key 'teirs'" in out
    assert 'help: did you mean "tiers"?' in out


def test_a_change_is_shown_with_every_standing_that_moves(files, capsys):
    (files / "new.toml").write_text(PROGRAM.replace("5%", "6%", 1))
    code, told = said(
        capsys, "program", "diff", files / "p.toml", files / "new.toml", "--orders", files / "orders.csv"
    )
    assert code == 0
    assert told["data"]["changes"] == [{"key": "tiers[Silver].rate", "old": "0.05", "new": "0.06"}]
    assert [(row["member"], row["change"]) for row in told["data"]["standings"]] == [("A1", "40.00")]
    assert (told["data"]["unchanged"], told["data"]["total_change"]) == (1, "40.00")


def test_two_programs_cannot_be_compared_as_versions(files, capsys):
    (files / "new.toml").write_text(PROGRAM.replace('"p"', '"q"'))
    code, told = said(capsys, "program", "diff", files / "p.toml", files / "new.toml")
    assert (code, "two programs" in told["error"]["message"]) == (2, True)


def test_the_schema_knows_every_key(capsys):
    code, told = said(capsys, "program", "schema")
    assert code == 0
    assert set(told["data"]["properties"]) == {key.name for key in SECTIONS["program"]}
    assert set(told["data"]["$defs"]["tier"]["properties"]) == {key.name for key in SECTIONS["tier"]}


def test_without_json_the_schema_is_the_bare_document(capsys):
    assert run(["program", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Rebate program"


def test_people_see_the_arithmetic(files, capsys):
    assert run(["program", "try", str(files / "p.toml"), "--orders", str(files / "orders.csv")]) == 0
    out = capsys.readouterr().out
    assert "Silver: 5% on 4000.00 USD = 200.00" in out
    assert "next: Gold in 1000.00, rebate then 750.00 USD" in out


def test_without_counts_every_line_counts_and_drafts_are_warned_about(tmp_path, capsys):
    import json

    from cli.main import run

    program = tmp_path / "p.toml"
    program.write_text(
        'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\n[[tiers]]\nname = "One"\nthreshold = "0"\nrate = "10%"\n'
    )
    orders = tmp_path / "o.csv"
    orders.write_text(
        "order_id,line_id,account_id,date,quantity,amount,status\n"
        "O1,1,A,2026-03-01,1,100.00,Activated\nO2,1,A,2026-03-02,1,50,Draft\nO3,1,A,2026-03-03,-1,-20,Activated\n"
    )
    assert run(["program", "try", str(program), "--orders", str(orders), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    (standing,) = body["data"]["standings"]
    assert (standing["member"], standing["qualifying_amount"], standing["rebate"]) == ("A", "130.00", "13.00")
    assert "1 line has the status Draft" in body["warnings"][0]


def test_a_member_for_half_a_quarter_reads_how_many_days_it_took_part(files, capsys):
    (files / "p.toml").write_text(
        'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\nperiod = "quarter"\n[proration]\nby = "days"\nof = ["amount"]\n'
        '[[tiers]]\nname = "A"\nthreshold = "1000"\namount = "300"\n'
    )
    (files / "accounts.csv").write_text("account_id,active_from\nA1,2026-02-15\n")
    (files / "orders.csv").write_text(ORDERS.replace("2026-01-0", "2026-03-0"))
    words = ("program", "try", files / "p.toml", "--orders", files / "orders.csv", "--accounts", files / "accounts.csv")  # fmt: skip
    assert run([*map(str, words)]) == 0
    told = capsys.readouterr().out
    assert "45 of 90 days: fixed amounts times 1/2" in told
    assert "A: 300 USD fixed, here 150.00" in told


def tried(capsys, files: Path, *more: object) -> str:
    words = ("program", "try", files / "p.toml", "--orders", files / "orders.csv", *more)
    assert run([*map(str, words)]) == 0
    return capsys.readouterr().out


def test_people_read_what_is_paid_where_it_is_not_the_rebate(files, capsys):
    (files / "p.toml").write_text(PROGRAM.replace("[[tiers]]", 'min_payout = "60"\n[[tiers]]', 1))
    (files / "orders.csv").write_text(
        "order_id,line_id,account_id,date,quantity,amount\nO1,1,A1,2026-01-05,1,1000\nO2,1,A1,2026-02-05,1,2000\n"
    )
    told = tried(capsys, files)
    assert "payout 0.00 USD: 50.00 USD is below the minimum payout of 60.00 USD, carried forward" in told
    assert "payout 150.00 USD: 50.00 USD carried in from the periods before" in told


def test_people_read_what_came_late_and_where_it_is_paid(files, capsys):
    (files / "orders.csv").write_text(
        "order_id,line_id,account_id,date,quantity,amount,received\nO1,1,A1,2026-01-05,1,1000,2026-01-05\n"
        "O2,1,A1,2026-01-06,1,600,2026-02-03\nO3,1,A1,2026-02-05,1,1000,2026-02-05\n"
    )
    told = tried(capsys, files)
    assert "adjustment 30.00 USD for 2026-01 (late lines 30.00 USD, tier and terms 0.00 USD)" in told
    assert "payout 80.00 USD" in told


def test_people_read_who_gets_how_much_of_a_shared_rebate(files, capsys):
    (files / "p.toml").write_text(
        PROGRAM.replace("[[tiers]]", '[hierarchy]\nroll_up = "parent"\npay = "share"\n[[tiers]]', 1)
    )
    (files / "accounts.csv").write_text("account_id,parent_id\nA1,\nA2,A1\n")
    (files / "orders.csv").write_text(
        "order_id,line_id,account_id,date,quantity,amount\nO1,1,A1,2026-01-05,1,1000\nO2,1,A2,2026-01-05,1,3000\n"
    )
    told = tried(capsys, files, "--accounts", files / "accounts.csv")
    assert "of it A1: 50.00 USD" in told
    assert "of it A2: 150.00 USD" in told
