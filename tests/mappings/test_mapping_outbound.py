"""Records out: what each Salesforce field is written, and when two records are the same."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings import template
from mappings.describe import FieldDescribe, ObjectDescribe
from mappings.file import read_mapping
from mappings.outbound import Common, MissingValue, Writer, fitted, record
from mappings.texts_out import cut, json_text, plain, units
from mappings.vocabulary import EVENTS
from rebates.money import round_money
from state.payloads import payload_hash

VIEW = {
    "member": {"id": "001000000000001AAA", "name": "Glow Beauty", "owner_id": "005000000000001AAA"},
    "program": {
        "key": "retail-2026", "name": "Retail partners 2026", "currency": "USD",
        "method": "retrospective", "qualifier": "amount", "measure": "amount",
    },
    "period": {
        "key": "2026-11", "name": "November 2026",
        "start": date(2026, 11, 1), "end": date(2026, 12, 1), "last_day": date(2026, 11, 30),
    },
    "standing": {
        "key": "RB-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "status": "near_next_tier", "currency": "USD",
        "qualifying_amount": Decimal("95188"), "qualifying_quantity": Decimal("2310.5"),
        "tier": "Silver", "benefit": "10%", "rebate": Decimal("9518.80"), "next_tier": "Gold",
        "next_threshold": Decimal("100000"), "next_benefit": "15%", "to_next_tier": Decimal("4812"), "amount_to_next_tier": Decimal("4812"),
        "rebate_at_next_tier": Decimal("15000"), "uplift": Decimal("5481.20"), "progress": Decimal("0.95188"),
        "days_left": 7, "tier_until": date(2026, 11, 30), "tier_ladder": [{"name": "Gold", "threshold": Decimal("100000.00")}],
        "contributions": [{"order": n, "amount": Decimal("10.50")} for n in range(10)],
        "steps": "95,188 qualifies", "incomplete": None, "as_of": date(2026, 11, 23),
        "synced_at": datetime(2026, 11, 23, 15, 0, 0, 5000, UTC), "seq": 42,
        "settled": None, "adjustments": None, "settled_on": None,
    },
    "event": {"kind": "near_tier", "tier": "Gold", "key": "RB-1"},
    "task": {
        "key": "RB-TASK", "owner_id": "005000000000001AAA", "due": date(2026, 11, 30), "priority": "High",
        "steps": "…",
    },
}  # fmt: skip


def target(mapping_of, fields, name="account"):
    head = f'[push.{name}]\nobject = "Account"\nmatch = "Id"\n[push.{name}.fields]\n'
    return mapping_of(head + fields).push[name]


def written(mapping_of, right, view=VIEW, zone=None):
    return record(target(mapping_of, f"F__c = {right}"), view, zone)["F__c"]


def test_the_standard_standing_is_what_the_card_reads():
    fields = record(read_mapping("standard").push["standing"], VIEW)

    assert fields["Sync_Key__c"] == "RB-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert fields["Status__c"] == "Near_Next_Tier"
    assert (fields["Period_Start__c"], fields["Period_End__c"]) == ("2026-11-01", "2026-11-30")
    assert fields["Rebate__c"] == Decimal("9518.80")
    assert fields["Tier_Ladder__c"] == '[{"name":"Gold","threshold":100000}]'
    assert fields["Last_Synced__c"] == "2026-11-23T15:00:00.005Z"
    assert fields["Incomplete__c"] is None
    assert fields["Rebate_Seq__c"] == 42


def test_the_standard_task_says_what_to_do_in_one_line():
    fields = record(read_mapping("standard").push["task"], VIEW)

    assert fields["Subject"] == "Glow Beauty: $4,812 to Gold, worth $5,481.20 more"
    assert "7 days left, until Nov 30, 2026. At Gold the rebate is $15,000; now it is $9,518.80." in str(
        fields["Description"]
    )
    assert (fields["ActivityDate"], fields["Priority"], fields["Status"]) == (
        "2026-11-30",
        "High",
        "Not Started",
    )


def test_the_standard_alert_says_the_news():
    push = read_mapping("standard").push["notification"]
    reached = {**VIEW, "event": {"kind": "tier_reached", "tier": "Silver"}}

    assert record(push, VIEW)["title"] == "Glow Beauty: $4,812 to Gold"
    assert record(push, VIEW)["body"] == (
        "Gold is worth $5,481.20 more. 7 days left in Retail partners 2026, November 2026."
    )
    assert record(push, reached)["title"] == "Glow Beauty: Silver reached"


@pytest.mark.parametrize("kind", EVENTS)
def test_every_event_that_the_engine_knows_has_words(kind):
    fields = record(
        read_mapping("standard").push["notification"], {**VIEW, "event": {"kind": kind, "tier": "Gold"}}
    )

    assert str(fields["title"]).startswith("Glow Beauty: ")
    assert "Retail partners 2026" in str(fields["body"])


def test_a_program_that_counts_units_speaks_of_units():
    view = {**VIEW, "program": {**VIEW["program"], "qualifier": "quantity"}}

    assert (
        record(read_mapping("standard").push["notification"], view)["title"]
        == "Glow Beauty: 4,812 units to Gold"
    )


@pytest.mark.parametrize(
    ("right", "value"),
    [
        ('{ from = "standing.progress", as = "percent", round = 1 }', Decimal("95.2")),
        ('{ from = "standing.rebate", as = "text" }', "9518.8"),
        ('{ from = "standing.rebate", round = 0 }', Decimal("9519")),
        ('{ from = "standing.status", values = { near_next_tier = "Close" } }', "Close"),
        ('{ from = "standing.status" }', "near_next_tier"),
        ('{ from = "standing.synced_at", as = "date" }', "2026-11-23"),
        ("{ const = true }", True),
        ("{ const = 3 }", 3),
        ('{ const = "x" }', "x"),
        (
            '{ text = "{standing.progress:percent} of {standing.qualifying_quantity:number}" }',
            "95.19% of 2,310.5",
        ),
        ('{ text = "{period.start} {standing.incomplete}" }', "2026-11-01"),
        ('"standing.incomplete"', None),
    ],
)
def test_a_field_is_written_as_the_mapping_says(mapping_of, right, value):
    assert written(mapping_of, right) == value


def test_the_day_of_an_instant_is_the_one_it_was_in_the_zone_asked_for(mapping_of):
    late = {**VIEW, "standing": {**VIEW["standing"], "synced_at": datetime(2026, 12, 1, 3, tzinfo=UTC)}}

    right = '{ from = "standing.synced_at", as = "date" }'
    assert written(mapping_of, right, late, ZoneInfo("America/New_York")) == "2026-11-30"


def test_an_empty_value_clears_the_field_unless_the_mapping_says_to_leave_it(mapping_of):
    push = target(
        mapping_of, 'A__c = "standing.incomplete"\nB__c = { from = "standing.incomplete", clear = false }'
    )

    assert record(push, VIEW) == {"A__c": None}


def test_a_view_that_lacks_a_value_is_a_fault_of_ours(mapping_of):
    with pytest.raises(MissingValue, match=r"standing\.tier"):
        written(mapping_of, '"standing.tier"', {**VIEW, "standing": {}})


def test_a_float_is_never_written(mapping_of):
    with pytest.raises(TypeError):
        written(mapping_of, '"standing.rebate"', {**VIEW, "standing": {"rebate": 1.5}})
    for value in (
        1.5,
        [1.5],
        {"amount": 1.5},
        {"tiers": [{"threshold": 1.5}]},
        [{"amount": Decimal(1)}, (1.5,)],
    ):
        with pytest.raises(TypeError):
            json_text(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.text() | st.decimals(allow_nan=False, allow_infinity=False, places=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_json_says_exactly_what_it_was_made_of(value):
    text = json_text(value)

    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == value


def test_json_has_days_and_moments_as_salesforce_takes_them():
    moment = datetime(2026, 11, 23, 15, 0, 0, 5000, UTC)

    assert json_text({"day": date(2026, 11, 23), "at": moment}) == (
        '{"day":"2026-11-23","at":"2026-11-23T15:00:00.005Z"}'
    )
    with pytest.raises(TypeError):
        json_text({"tiers": {1}})


@pytest.mark.parametrize("name", ["standing", "account"])
def test_what_records_have_in_common_is_written_once_and_no_other_way(name):
    push = read_mapping("standard").push[name]
    writer = Writer(push, leave_out=push.volatile)
    groups = {group: Common(VIEW[group]) for group in ("program", "period")}
    other = {
        "program": Common({**VIEW["program"], "name": "Parts", "method": "stepped"}),
        "period": groups["period"],
    }

    for common, plain_ones in ((groups, {}), (other, other), (groups, {})):
        view = {**VIEW, **common}
        alone = Writer(push, leave_out=push.volatile)
        assert writer.record(view) == alone.record({**VIEW, **{k: dict(v) for k, v in plain_ones.items()}})


def describe(**lengths):
    fields = {
        name: FieldDescribe(name=name, label=name, type="string", length=n) for name, n in lengths.items()
    }
    return ObjectDescribe("Account", "Account", fields)


def test_long_text_is_cut_to_the_field_with_a_sign_of_it(mapping_of):
    push = fitted(target(mapping_of, 'F__c = "program.name"'), describe(F__c=10))

    assert record(push, VIEW)["F__c"] == "Retail pa…"


def test_text_is_measured_as_salesforce_does_and_no_character_is_halved(mapping_of):
    push = fitted(target(mapping_of, 'F__c = "program.name"'), describe(F__c=4))
    view = {**VIEW, "program": {"name": "ab\U0001f600cd"}}

    assert record(push, view)["F__c"] == "ab…"


def test_a_list_too_long_for_its_field_loses_its_last_items_and_stays_json(mapping_of):
    push = fitted(target(mapping_of, 'F__c = "standing.contributions"'), describe(F__c=60))

    assert record(push, VIEW)["F__c"] == '[{"order":0,"amount":10.5},{"order":1,"amount":10.5}]'


def test_records_are_the_same_when_only_sync_time_and_sequence_differ():
    push = read_mapping("standard").push["standing"]
    later = {
        **VIEW,
        "standing": {**VIEW["standing"], "synced_at": datetime(2027, 1, 1, tzinfo=UTC), "seq": 43},
    }
    richer = {**VIEW, "standing": {**VIEW["standing"], "rebate": Decimal("9518.81")}}

    lasting = Writer(push, leave_out=push.volatile)

    assert lasting.record(VIEW) == lasting.record(later)
    assert lasting.record(VIEW) != lasting.record(richer)


def test_fields_that_the_mapping_feeds_from_the_sync_time_are_no_reason_to_write(mapping_of):
    push = target(mapping_of, 'Seen__c = "standing.synced_at"\nTier__c = "standing.tier"')

    assert set(Writer(push, leave_out=push.volatile).record(VIEW)) == {"Tier__c"}


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_an_amount_hashes_alike_however_it_is_written(amount):
    assert payload_hash({"A": amount}) == payload_hash({"A": amount.normalize()})
    assert payload_hash({"A": amount}) != payload_hash({"A": str(amount)}), "a number is no text"
    assert Decimal(plain(amount)) == amount


def test_nothing_false_and_zero_are_different_things():
    assert len({payload_hash({"A": value}) for value in (None, False, 0, "", "0")}) == 5


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("4812", "USD", "$4,812"),
        ("4812.5", "USD", "$4,812.50"),
        ("-90.1", "CHF", "-CHF 90.10"),
        ("1234.4", "JPY", "¥1,234"),
        ("60.005", "KWD", "KWD 60.005"),
        ("0.001", "BHD", "BHD 0.001"),
        ("12.5", "TND", "TND 12.500"),
        ("1234.56", "HUF", "HUF 1,234.56"),
        ("12.5", "XOF", "XOF 13"),
        ("1.2345", "CLF", "CLF 1.2345"),
        ("5", None, "5"),
    ],
)
def test_money_is_shown_in_its_currency(amount, currency, text):
    assert template.money(Decimal(amount), currency) == text


@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD", "BHD", "HUF", "XOF", "CLF"])
def test_an_amount_is_shown_to_the_coin_that_is_paid(currency):
    paid = round_money(Decimal("1234.56789"), currency)

    assert template.money(Decimal("1234.56789"), currency) == f"{currency} {paid:,}".replace(
        "USD ", "$"
    ).replace("JPY ", "¥")


def in_currency(code, qualifier="amount", **amounts):
    standing = {**VIEW["standing"], "currency": code, **{k: Decimal(v) for k, v in amounts.items()}}
    return {
        **VIEW,
        "standing": standing,
        "program": {**VIEW["program"], "currency": code, "qualifier": qualifier},
    }


def to_scale(mapping_of, right, scale):
    described = ObjectDescribe(
        "Account", "Account", {"F__c": FieldDescribe("F__c", "F", "currency", scale=scale)}
    )
    return fitted(target(mapping_of, f"F__c = {right}"), described)


BY_CURRENCY = '{ from = "standing.rebate", round = "currency" }'


@pytest.mark.parametrize(
    ("code", "scale", "amount", "written_"),
    [
        ("KWD", 3, "60.005", "60.005"),
        ("KWD", 2, "60.005", "60.01"),  # never more than the org keeps
        ("USD", 3, "60.005", "60.01"),
        ("JPY", 2, "60.5", "61"),
        ("HUF", 2, "1234.56", "1234.56"),
        ("CLF", 4, "1.2345", "1.2345"),
    ],
)
def test_an_amount_is_written_to_the_coin_of_its_currency(mapping_of, code, scale, amount, written_):
    push = to_scale(mapping_of, BY_CURRENCY, scale)

    assert record(push, in_currency(code, rebate=amount))["F__c"] == Decimal(written_)


def test_until_the_org_has_said_an_amount_is_written_to_what_our_own_fields_keep(mapping_of):
    assert written(mapping_of, BY_CURRENCY, in_currency("KWD", rebate="60.005")) == Decimal("60.01")


def test_what_a_program_counts_in_units_has_no_coins(mapping_of):
    push = to_scale(mapping_of, '{ from = "standing.to_next_tier", round = "currency" }', 4)
    units = in_currency("JPY", "quantity", to_next_tier="2.125")

    assert record(push, units)["F__c"] == Decimal("2.125")
    assert record(push, in_currency("JPY", to_next_tier="2.125"))["F__c"] == 2


def test_a_number_is_written_with_no_more_decimals_than_the_org_keeps_of_it(mapping_of):
    three = in_currency("KWD", rebate="60.005")

    assert record(to_scale(mapping_of, '"standing.rebate"', 2), three)["F__c"] == Decimal("60.01")
    fixed = '{ from = "standing.rebate", round = 3 }'
    assert record(to_scale(mapping_of, fixed, 2), three)["F__c"] == Decimal("60.01")
    assert record(to_scale(mapping_of, fixed, 3), three)["F__c"] == Decimal("60.005")
    assert record(to_scale(mapping_of, '"standing.days_left"', 0), VIEW)["F__c"] == 7


def test_one_day_is_no_plural():
    assert (template.days(1), template.days(6), template.units(Decimal(1))) == ("1 day", "6 days", "1 unit")


def test_a_translated_text_may_become_something_else_or_empty_and_is_cut_like_any_other(mapping_of):
    assert written(mapping_of, '{ from = "standing.tier", values = { Silver = true } }') is True
    assert written(mapping_of, '{ from = "standing.tier", values = { Silver = 3 } }') == 3
    assert written(mapping_of, '{ from = "standing.tier", values = { Silver = "" } }') is None
    assert written(mapping_of, '{ from = "standing.tier", values = { Gold = "Au" } }') == "Silver"
    short = target(mapping_of, 'F__c = { from = "standing.tier", values = { Silver = "Silberstufe" } }')
    length = {name: replace(value, max_length=8) for name, value in short.fields.items()}
    assert record(replace(short, fields=length), VIEW)["F__c"] == "Silbers…"


LADDER = {
    "value": Decimal("250"),
    "tiers": [
        {"name": name, "threshold": Decimal(at), "benefit": "10%", "reached": at <= 250}
        for name, at in (("Bronze", 100), ("Silver", 200), ("Gold", 300), ("Platinum", 400), ("Diamond", 500))
    ],
}


def ladder_within(mapping_of, length, ladder=LADDER):
    push = fitted(target(mapping_of, 'F__c = "standing.tier_ladder"'), describe(F__c=length))
    return record(push, {**VIEW, "standing": {**VIEW["standing"], "tier_ladder": ladder}})["F__c"]


@pytest.mark.parametrize(
    ("length", "names"),
    [
        (2000, ["Bronze", "Silver", "Gold", "Platinum", "Diamond"]),
        (330, ["Bronze", "Silver", "Gold", "Platinum"]),
        (260, ["Bronze", "Silver", "Gold"]),
        (200, ["Silver", "Gold"]),
        (100, ["Silver"]),
        (30, []),
    ],
)
def test_a_ladder_too_long_for_its_field_keeps_the_tiers_nearest_to_the_member(mapping_of, length, names):
    text = ladder_within(mapping_of, length)

    assert len(text) <= length
    assert [tier["name"] for tier in json.loads(text)["tiers"]] == names
    assert json.loads(text)["value"] == 250


def test_a_field_that_holds_no_ladder_at_all_is_left_empty(mapping_of):
    assert ladder_within(mapping_of, 10) is None


def test_a_long_ladder_of_a_member_below_or_above_all_tiers_keeps_what_is_nearest(mapping_of):
    for reached, kept in ((False, "Bronze"), (True, "Diamond")):
        ladder = {**LADDER, "tiers": [{**tier, "reached": reached} for tier in LADDER["tiers"]]}
        names = [tier["name"] for tier in json.loads(ladder_within(mapping_of, 110, ladder))["tiers"]]
        assert names == [kept]


def test_json_is_measured_as_salesforce_counts_where_an_emoji_is_two(mapping_of):
    ladder = {"value": Decimal(1), "tiers": [{"name": "🥇" * 20, "threshold": Decimal(1), "reached": True}]}
    text = json_text(ladder)

    assert units(text) == len(text) + 20
    assert ladder_within(mapping_of, units(text), ladder) == text
    assert ladder_within(mapping_of, len(text), ladder) == '{"value":1,"tiers":[]}'


@given(st.text(max_size=30), st.integers(min_value=1, max_value=40))
def test_no_text_is_longer_than_its_field_and_no_pair_is_cut_in_two(text, length):
    kept = cut(text, length)

    assert units(kept) <= length
    assert kept == text or kept.endswith("…")
    kept.encode("utf-8")


def test_words_of_a_window_over_several_periods_say_until_when_its_tier_is_counted(mapping_of):
    view = VIEW | {"standing": VIEW["standing"] | {"tier_until": date(2026, 12, 31)}}
    said = '{ text = "{event.detail}" }'
    near = written(mapping_of, said)
    assert near == "Gold is worth $5,481.20 more. 7 days left in Retail partners 2026, November 2026."
    assert written(mapping_of, said, view).startswith(
        near + " What is bought later counts toward it, too, until "
    )
    risk = view | {"event": {"kind": "at_risk", "tier": "Gold", "key": "RB-1"}}
    assert written(mapping_of, said, risk).startswith("At this pace the tier is below Gold on ")
