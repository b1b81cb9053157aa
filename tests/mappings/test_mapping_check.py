"""The preflight: what would fail in the org is said before anything runs, at the line that causes it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.payout_types import INVOICES, unused
from mappings.check import check, gather, objects_needed
from mappings.describe import ObjectDescribe
from mappings.file import parse_mapping, read_mapping, standard_text
from mappings.problems import has_errors
from rebates import parse_program
from tests.mappings.org_describes import (
    field,
    obj,
    picklist,
    read_only,
    reference,
    required,
    stock_org,
    with_fields,
    without,
)

HEAD = '[pull.account]\nobject = "Account"\n[pull.account.fields]\nname = "Name"\n'
LINES = (
    '[pull.order_line]\nobject = "OrderItem"\n[pull.order_line.fields]\norder_id = "OrderId"\n'
    'quantity = "Quantity"\namount = "TotalPrice"\n'
)
DAILY_LINES = LINES.replace('"OrderItem"', '"OrderItem"\nrefresh = "daily"')
ORDERS = '[pull.order]\nobject = "Order"\n[pull.order.fields]\naccount_id = "AccountId"\n'
PUSH = '[push.account]\nobject = "Account"\nmatch = "Id"\n[push.account.fields]\n'


def found(text, org=None):
    return check(parse_mapping(text, "mapping.toml"), org or stock_org())


def only(text, org=None):
    (problem,) = found(text, org)
    return problem


def pointed_at(problem):
    place = problem.place
    return place.excerpt[place.column - 1 :][: place.length]


def org_with(object_name, *fields):
    org = stock_org()
    org[object_name] = with_fields(org[object_name], *fields)
    return org


def test_the_standard_mapping_fits_a_stock_org_with_our_package():
    assert check(read_mapping("standard"), stock_org()) == []


def test_the_standard_mapping_needs_only_these_objects():
    assert objects_needed(read_mapping("standard")) == (
        "Account", "Order", "OrderItem", "Product2", "Rebate_Payout__c", "Rebate_Standing__c", "Task", "User",
    )  # fmt: skip


def test_a_misspelled_field_is_shown_with_the_one_that_was_meant():
    org = org_with("Account", picklist("Region__c", "NA", label="Region"))
    problem = only(HEAD + 'region = { field = "Regoin__c", trim = true }', org)

    assert problem.render() == (
        'error[M102]: Account has no field "Regoin__c" that the integration user can see\n'
        "  --> mapping.toml:5:21\n"
        '   5 | region = { field = "Regoin__c", trim = true }\n'
        "     |                     ^^^^^^^^^\n"
        '     = help: did you mean "Region__c" (picklist, label "Region")?\n'
        "     = note: if the field exists, give the integration user read access to it (field-level security): "
        "`rebates mapping permission-set` writes a permission set with exactly the mapped fields"
    )


def test_a_field_is_also_suggested_by_its_label():
    org = org_with("Account", field("Cust_Zone__c", label="Sales Territory"))

    help_ = only(HEAD + 'region = "Sales_Teritory__c"', org).help
    assert help_ == 'did you mean "Cust_Zone__c" (string, label "Sales Territory")?'


def test_wrong_letter_case_has_a_message_of_its_own():
    problem = only(HEAD + 'type = "TYPE"')

    assert (problem.code, problem.help, pointed_at(problem)) == ("M104", 'write "Type"', "TYPE")


def test_a_path_is_followed_through_relationships_several_levels_up():
    assert found(DAILY_LINES + 'region = "Order.Account.Parent.BillingCountry"') == []


@pytest.mark.parametrize(
    ("path", "code", "culprit", "help_"),
    [
        ("Order.Acount.Name", "M103", "Acount", 'did you mean "Account"?'),
        ("Order.Account.Nme", "M102", "Nme", 'did you mean "Name" (string, label "Name")?'),
        ("OrderId.Type", "M103", "OrderId", 'did you mean "Order"? that is how OrderId is followed'),
    ],
)
def test_the_step_that_is_wrong_is_the_one_underlined(path, code, culprit, help_):
    problem = only(LINES + f'kind = "{path}"')

    assert (problem.code, pointed_at(problem), problem.help) == (code, culprit, help_)


def test_an_object_that_is_not_there_says_which_was_meant():
    problem = only(HEAD.replace('"Account"', '"Acount"'), {**stock_org(), "Acount": None})

    assert (problem.code, problem.help, pointed_at(problem)) == ("M101", 'did you mean "Account"?', "Acount")


def test_what_was_not_described_is_said_to_be_unchecked():
    problem = only(HEAD, {"Order": None})

    assert (problem.level, problem.code) == ("warning", "M207")


def test_a_date_time_is_no_date_until_it_is_asked_to_be():
    problem = only(ORDERS + 'ordered_on = "ActivatedDate"')

    assert (problem.code, problem.help) == (
        "M105",
        'add as = "date"; the day is taken in the file\'s time_zone',
    )
    assert found(ORDERS + 'ordered_on = { field = "ActivatedDate", as = "date" }') == []
    assert found(ORDERS + 'ordered_at = "ActivatedDate"') == []


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            DAILY_LINES.replace('"TotalPrice"', '"Product2.Family"'),
            "M106",
            "Product2.Family is picklist, amount needs a number",
        ),
        (ORDERS + 'ordered_on = "Status"', "M106", "Order.Status is picklist, ordered_on needs a date"),
        (ORDERS + 'ordered_at = "EffectiveDate"', "M106", "Order.EffectiveDate is date, ordered_at needs a date-time"),
        (HEAD + 'parent_id = "BillingCountry"', None, None),
        (HEAD + 'region = "BillingAddress"', "M106", "Account.BillingAddress is an address, which has no single value"),
        (HEAD + 'big = { field = "SystemModstamp", as = "decimal" }', "M106",
         'Account.SystemModstamp is datetime and cannot be read as "decimal" for big'),
    ],
)  # fmt: skip
def test_a_field_of_another_type_is_refused(text, code, message):
    problems = found(text)

    assert [(p.code, p.message) for p in problems] == ([(code, message)] if code else [])


def test_a_compound_field_names_its_parts():
    assert only(HEAD + 'region = "BillingAddress"').help == "map one of its parts: BillingCountry"


def test_numbers_kept_as_text_can_be_read_when_asked_for():
    org = org_with("OrderItem", field("Net__c"))

    assert only(LINES.replace('"TotalPrice"', '"Net__c"'), org).help == (
        'when it holds such values as text, add as = "decimal"'
    )
    assert found(LINES.replace('"TotalPrice"', '{ field = "Net__c", as = "decimal" }'), org) == []


def test_a_formula_goes_stale_and_says_so():
    org = org_with("Account", read_only("Segment__c", calculated=True))
    problem = only(HEAD + 'segment = "Segment__c"', org)

    assert (problem.level, problem.code) == ("warning", "M201")
    assert (
        found(HEAD.replace('"Account"', '"Account"\nrefresh = "daily"') + 'segment = "Segment__c"', org) == []
    )


def test_a_field_of_a_parent_goes_stale_and_says_so():
    problem = only(HEAD + 'parent_region = "Parent.BillingCountry"')

    assert (problem.level, problem.code, pointed_at(problem)) == ("warning", "M201", "Parent.BillingCountry")
    assert "SystemModstamp of Account" in problem.message
    daily = HEAD.replace('"Account"', '"Account"\nrefresh = "daily"')
    assert found(daily + 'parent_region = "Parent.BillingCountry"') == []
    assert found(HEAD + 'parent_id = "Parent.Id"') == [], "another parent moves the stamp"


def test_picklist_values_are_compared_with_those_of_the_org():
    rule = 'active = {{ field = "StatusCode", values = {{ {} }}{} }}\nordered_on = "EffectiveDate"'
    unruled, misspelled = found(ORDERS + rule.format("Activate = true, Draft = false, Canceled = false", ""))

    assert (misspelled.code, misspelled.help) == ("M202", 'did you mean "Activated"?')
    assert (unruled.code, unruled.message) == (
        "M203", "no rule for Order.StatusCode = Activated; such records are set aside",
    )  # fmt: skip
    assert found(ORDERS + rule.format("Activated = true", ", other = false")) == []


def test_an_org_with_several_currencies_wants_them_mapped():
    org = org_with("Order", read_only("CurrencyIsoCode"))
    text = ORDERS + 'ordered_on = "EffectiveDate"\n'

    assert (only(text, org).code, only(text, org).level) == ("M111", "error")
    assert found(text + 'currency = "CurrencyIsoCode"', org) == []
    assert found('currency = "corporate"\n' + text, org) == []


@pytest.mark.parametrize("refresh", ["", 'refresh = "daily"'])
def test_a_condition_that_can_change_hides_what_leaves_it_from_whole_reads_too(refresh):
    text = HEAD.replace('"Account"', f'"Account"\nwhere = "Type = \'Other\'"\n{refresh}')
    problem = only(text)
    assert problem.message.startswith("an account that stops meeting the condition goes on counting until")

    assert (problem.level, problem.code, pointed_at(problem)) == ("warning", "M206", "Type")


@pytest.mark.parametrize(
    ("where", "changing"),
    [("StatusCode = 'Activated'", True), ("IsDeleted = false", True), ("CreatedDate >= 2026-01-01T00:00:00Z", False), ("Id != null", False)],
)  # fmt: skip
def test_a_field_that_we_may_not_write_can_still_change(where, changing):
    text = (ORDERS + 'ordered_on = "EffectiveDate"').replace('"Order"', f'"Order"\nwhere = "{where}"')
    org = org_with("Order", read_only("CreatedDate", "datetime"))
    assert [one.code for one in found(text, org)] == (["M206"] if changing else [])


def test_a_condition_on_a_field_that_is_not_there_is_an_error():
    text = HEAD.replace('"Account"', '"Account"\nwhere = "Tpye = \'Other\' AND Name != null"')

    assert [p.code for p in found(text) if p.level == "error"] == ["M102"]


def test_an_object_without_a_modification_stamp_cannot_be_followed():
    org = {"Account": without(stock_org()["Account"], "SystemModstamp")}

    assert only(HEAD, org).code == "M108"


def test_an_object_without_a_recycle_bin_cannot_be_asked_to_leave_deleted_rows_out():
    text = '[pull.user]\nobject = "User"\ndeleted = "ignore"\n[pull.user.fields]\nactive = "IsActive"\n'

    assert only(text).code == "M108"


def test_a_field_that_is_a_formula_cannot_be_written():
    org = org_with("Account", read_only("Total__c", "currency", calculated=True))
    problem = only(PUSH + 'Total__c = "standing.rebate"', org)

    assert (problem.code, problem.message) == ("M302", "Account.Total__c cannot be written (formula)")
    assert pointed_at(problem) == "Total__c"


def test_a_field_without_edit_access_says_how_to_give_it():
    org = org_with("Account", field("Tier__c", updateable=False))
    problem = only(PUSH + 'Tier__c = "standing.tier"', org)

    assert problem.message == "Account.Tier__c cannot be written (no edit access)"
    assert problem.note is not None
    assert "edit access" in problem.note


def test_a_restricted_picklist_names_all_missing_values_at_once():
    org = org_with("Account", picklist("State__c", "On_Track", "Top_Tier", restricted=True))
    problem = only(PUSH + 'State__c = { from = "standing.status", values = { on_track = "On_Track" } }', org)

    assert problem.code == "M303"
    assert problem.message == (
        "Account.State__c is a restricted picklist without the values "
        '"not_started", "near_next_tier", "at_risk", "top_tier", "closed"'
    )


def test_one_misspelled_picklist_value_gets_a_suggestion():
    values = 'values = { not_started = "A", on_track = "A", near_next_tier = "Near_Tier", at_risk = "A", top_tier = "A", closed = "A" }'
    org = org_with("Account", picklist("State__c", "A", "Near_Next_Tier", restricted=True))
    problem = only(PUSH + f'State__c = {{ from = "standing.status", {values} }}', org)

    assert (pointed_at(problem), problem.help) == ("Near_Tier", 'did you mean "Near_Next_Tier"?')


PAYOUT = """
[push.payout]
object = "Rebate_Payout__c"
match = "Sync_Key__c"
[push.payout.fields]
Sync_Key__c = "payout.key"
Type__c = { from = "payout.type", values = { settled = "Settlement", adjustment = "Adjustment" } }
"""


@pytest.mark.parametrize(
    ("offered", "way"),
    [
        (("Settlement", "Invoice", "Adjustment"), 'write invoice = "Invoice" under values'),
        (("Settlement", "Adjustment"), "`rebates org deploy`"),
    ],
)
def test_a_word_of_ours_that_a_mapping_does_not_translate_says_the_line_to_write(offered, way):
    org = stock_org() | {
        "Rebate_Payout__c": obj(
            "Rebate_Payout__c",
            field("Sync_Key__c", length=100),
            picklist("Type__c", *offered, restricted=True),
        )
    }

    def said(**more):
        found = check(parse_mapping(HEAD + PAYOUT), org, **more)
        return next(one for one in found if "restricted picklist" in one.message)

    needed, unneeded = said(), said(unused=INVOICES)
    assert (needed.level, needed.code) == ("error", "M303")
    assert (unneeded.level, unneeded.code) == ("warning", "M218")
    for one in (needed, unneeded):
        assert one.help.startswith(way)


def test_invoices_are_needed_where_a_program_or_terms_before_it_claw_back_by_them():
    text = 'key = "k"\nstarts = 2026-01-01\nends = 2026-12-31\n[[tiers]]\nthreshold = "1"\nrate = "1%"\n'
    plain = parse_program(text)
    invoiced = parse_program(text + '[settlement]\nclaw_back = "invoice"\n')
    assert unused([]) == unused([plain]) == INVOICES
    assert unused([plain, invoiced]) == unused([replace(plain, earlier=(invoiced,))]) == {}


def test_free_text_does_not_fit_a_restricted_picklist():
    org = org_with("Account", picklist("Tier__c", "Gold", restricted=True))

    assert only(PUSH + 'Tier__c = "standing.tier"', org).message == (
        "Account.Tier__c is a restricted picklist, and standing.tier can be anything"
    )


@pytest.mark.parametrize(
    ("new_field", "line", "code", "message"),
    [
        (field("X__c", length=10), 'X__c = "standing.key"', "M304", "holds 10 characters, standing.key needs 29"),
        (field("X__c", length=3), 'X__c = { const = "long" }', "M304", "holds 3 characters, the text has 4"),
        (field("X__c", "int"), 'X__c = "standing.rebate"', "M304", "holds whole numbers"),
        (field("X__c", "currency", precision=18, scale=2), 'X__c = "standing.rebate"', "M210",
         "keeps 2 decimals and all would be written; they are rounded to what it shows"),
        (field("X__c", "currency", precision=8, scale=2), 'X__c = { from = "standing.rebate", round = 2 }', "M210",
         "has room for 6 digits before the point; larger amounts are refused"),
        (field("X__c"), 'X__c = "standing.rebate"', "M307", "is string and cannot hold standing.rebate (amount)"),
        (field("X__c", "date"), 'X__c = "standing.synced_at"', "M307",
         "is date and cannot hold standing.synced_at (moment)"),
        (field("X__c", "percent", precision=5, scale=2), 'X__c = "standing.progress"', "M307",
         "is a percentage: 0.5 would read as half a percent"),
        (reference("X__c", "Contact", "X__r"), 'X__c = "member.id"', "M307",
         "refers to Contact, and member.id is a Account"),
    ],
)  # fmt: skip
def test_what_a_field_cannot_hold_is_found_before_it_is_written(new_field, line, code, message):
    problem = only(PUSH + line, org_with("Account", new_field))

    assert (problem.code, problem.message) == (code, f"Account.X__c {message}")


def standing(fields='Sync_Key__c = "standing.key"\nAccount__c = "member.id"\n', match="Sync_Key__c"):
    return f'[push.standing]\nobject = "S__c"\nmatch = "{match}"\n[push.standing.fields]\n{fields}'


def standing_org(**key):
    usual = {"length": 80, "external_id": True, "unique": True, "id_lookup": True}
    return {
        "S__c": obj(
            "S__c",
            field("Sync_Key__c", **{**usual, **key}),
            reference("Account__c", "Account", "Account__r", nillable=False),
            field("Code__c"),
        )
    }


def test_records_are_matched_on_an_external_id_that_is_unique():
    assert found(standing(), standing_org()) == []
    no_key = only(standing(match="Code__c") + 'Code__c = "program.key"', standing_org())
    assert (no_key.code, no_key.help) == ("M301", "external ids on S__c: Sync_Key__c")
    assert only(standing(), standing_org(unique=False)).message == (
        "S__c.Sync_Key__c is not unique, so one key could match several records"
    )


def test_a_key_that_is_matched_on_must_be_written():
    assert only(standing('Account__c = "member.id"'), standing_org()).code == "M309"


def test_all_required_fields_that_are_not_written_are_one_problem():
    org = standing_org()
    org["S__c"] = with_fields(
        org["S__c"],
        required("Stage__c"),
        required("Flag__c", "boolean"),
        required("Set__c", defaulted_on_create=True),
    )
    problem = only(standing('Sync_Key__c = "standing.key"'), org)

    assert (problem.code, problem.message) == (
        "M306", "S__c cannot be created without Account__c (reference), Stage__c (string)",
    )  # fmt: skip


def test_required_fields_matter_only_where_records_are_created():
    assert found(PUSH + 'Rebate_Tier__c = "standing.tier"') == []


def test_an_object_that_may_not_be_edited_is_said_once():
    org = stock_org()
    org["Account"] = replace(org["Account"], updateable=False)

    assert only(PUSH + 'Rebate_Tier__c = "standing.tier"', org).code == "M308"


def test_a_target_that_is_never_written_is_not_checked():
    assert found(PUSH.replace('"Id"', '"Id"\nwhen = "never"') + 'Nothing__c = "standing.tier"') == []


def test_a_forgotten_namespace_is_recognized():
    org = {"acme__S__c": standing_org()["S__c"], "S__c": None}

    assert only(standing(), org).help == 'the org has "acme__S__c": set namespace = "acme"'


def test_a_field_there_with_and_without_namespace_is_pointed_out():
    org = org_with("Account", field("acme__Rebate_Tier__c"))
    problem = only('namespace = "acme"\n' + PUSH + 'Rebate_Tier__c = "standing.tier"', org)

    assert (problem.level, problem.code) == ("warning", "M205")


def test_describes_are_gathered_round_by_round_until_every_path_can_be_followed():
    org = stock_org()
    asked: list[tuple[str, ...]] = []

    def fetch(objects):
        asked.append(tuple(objects))
        return {name: org.get(name) for name in objects}

    mapping = parse_mapping(
        DAILY_LINES + 'region = "Order.Account.Owner.Name"\nodd = "Nothing.Name"', "m.toml"
    )
    describes = gather(mapping, fetch)

    assert asked == [("OrderItem",), ("Order",), ("Account",), ("User",)]
    assert [p.code for p in check(mapping, describes)] == ["M103"]


def recorded(name):
    """A describe that a real org answered, from its recorded attributes."""
    golden = json.loads(
        (Path(__file__).parents[1] / "emulator" / "golden" / "describes.json").read_text("utf-8")
    )[name]
    fields = []
    for api_name, values in golden["fields"].items():
        values_by_key = dict(zip(golden["attributes"], values, strict=True))
        picks = [{"value": value, "active": True} for value in golden["picklists"].get(api_name, [])]
        fields.append({"name": api_name, "picklistValues": picks, **values_by_key})
    return ObjectDescribe.from_json({"name": name, "fields": fields})


def test_what_a_real_org_answered_fits_the_standard_mapping_of_accounts():
    mapping = read_mapping("standard")
    account = replace(mapping, pull={"account": mapping.pull["account"]}, push={})

    assert check(account, {"Account": recorded("Account")}) == []


def test_an_org_with_a_package_from_before_the_fence_on_accounts_is_told_so_and_not_stopped():
    org = stock_org()
    org["Account"] = without(org["Account"], "Rebate_Seq__c")
    (problem,) = check(read_mapping("standard"), org)
    assert (problem.level, problem.code) == ("warning", "M211")
    assert problem.in_a_line == (
        "Account.Rebate_Seq__c is not there or cannot be written, and is left out: a worker that was overtaken could "
        "write older values over newer ones (the package brings it: `rebates org deploy`)"
    )


def test_a_sequence_that_may_only_be_read_is_left_out_too():
    org = stock_org()
    org["Account"] = with_fields(org["Account"], read_only("Rebate_Seq__c", "double"))
    (problem,) = check(read_mapping("standard"), org)
    assert (problem.level, problem.code) == ("warning", "M211")


def test_standings_have_had_their_sequence_from_the_first_package_on():
    org = stock_org()
    org["Rebate_Standing__c"] = without(org["Rebate_Standing__c"], "Rebate_Seq__c")
    (problem,) = check(read_mapping("standard"), org)
    assert (problem.level, problem.code) == ("error", "M102")


def test_an_org_without_our_package_has_one_problem_and_not_thirteen():
    names = [name for name in stock_org()["Account"].fields if name.startswith("Rebate_")]
    mapping = read_mapping("standard")
    account = replace(mapping, push={"account": mapping.push["account"]}, pull={})
    (problem,) = check(account, {"Account": without(stock_org()["Account"], *names)})

    assert problem.message == (
        "Account lacks or hides 14 of the 14 fields that are written: Rebate_Program__c, Rebate_Period__c, Rebate_Tier__c "
        "and 11 more"
    )


def test_a_field_of_ours_is_not_mistaken_for_a_standard_one():
    org = stock_org()
    org["Account"] = without(org["Account"], "Rebate_Amount__c")

    help_ = only(PUSH + 'Rebate_Amount__c = { from = "standing.rebate", round = 2 }', org).help
    assert help_ is None or "__c" in help_


def test_a_real_org_without_our_package_says_where_to_get_it():
    mapping = read_mapping("standard")
    problems = check(
        replace(mapping, pull={}), {"Account": recorded("Account"), "Task": None, "Rebate_Standing__c": None}
    )

    assert has_errors(problems)
    assert any("`rebates org deploy`" in (problem.note or "") for problem in problems)


def test_a_field_that_finance_writes_and_we_cannot_see_is_named():
    org = stock_org()
    org["Rebate_Payout__c"] = without(org["Rebate_Payout__c"], "Approved_By__c")
    (problem,) = check(read_mapping("standard"), org)
    assert (problem.code, "Approved_By__c" in problem.message) == ("M102", True)


def test_a_program_whose_coins_the_fields_cannot_hold_is_named_with_what_comes_of_it():
    programs = {"us": "USD", "kw": "KWD", "bahrain": "BHD", "jp": "JPY"}
    problems = check(read_mapping("standard"), stock_org(), programs)

    assert {(problem.level, problem.code) for problem in problems} == {("warning", "M212")}
    payouts = [one.message for one in problems if one.message.startswith("Rebate_Payout__c")]
    ends = "has 3: a payout that needs more is not sent"
    assert [one.split("written with ")[1] for one in payouts] == [
        f"2 decimals, and BHD (program bahrain) {ends}",
        f"2 decimals, and KWD (program kw) {ends}",
    ]
    standings = [one.message for one in problems if one.message.startswith("Rebate_Standing__c")]
    assert all(one.endswith("amounts are shown rounded") for one in standings) and len(standings) == 2


def test_a_fixed_text_is_measured_as_salesforce_counts():
    org = org_with("Account", field("X__c", length=3))

    assert only(PUSH + 'X__c = { const = "🥇🥇" }', org).message == (
        "Account.X__c holds 3 characters, the text has 4"
    )
    assert found(PUSH + 'X__c = { const = "🥇!" }', org) == []


def test_programs_in_dollars_and_yen_are_written_exactly():
    assert check(read_mapping("standard"), stock_org(), {"us": "USD", "jp": "JPY", "hu": "HUF"}) == []


@pytest.mark.parametrize(("scale", "round_", "codes"), [
    (3, '"currency"', []), (2, '"currency"', ["M212"]), (3, "2", ["M212"]), (0, '"currency"', ["M210", "M212"]),
])  # fmt: skip
def test_the_mapping_and_the_field_both_have_to_leave_room_for_the_coins(scale, round_, codes):
    mapping = parse_mapping(PUSH + f'X__c = {{ from = "standing.rebate", round = {round_} }}', "mapping.toml")
    org = org_with("Account", field("X__c", "currency", precision=18, scale=scale))

    assert sorted(one.code for one in check(mapping, org, {"kw": "KWD"})) == codes


@pytest.mark.parametrize("name", ["active_from", "active_to"])
def test_from_when_to_when_an_account_takes_part_is_read_from_a_date(name):
    org = org_with(
        "Account",
        field("Start__c"),
        field("Day__c", "date"),
        field("At__c", "datetime"),
        field("N__c", "double"),
    )

    text = only(HEAD + f'{name} = "Start__c"', org)
    assert (text.level, text.code, text.help) == ("error", "M105", 'add as = "date"')
    assert text.message == f"Account.Start__c is string, {name} is a date"
    assert only(HEAD + f'{name} = "At__c"', org).code == "M105"
    assert only(HEAD + f'{name} = "N__c"', org).help == "map a date field"
    for right in ('"Day__c"', '{ field = "Start__c", as = "date" }', '{ field = "At__c", as = "date" }'):
        assert found(HEAD + f"{name} = {right}", org) == []
    assert found(HEAD + 'partner_since = "Start__c"', org) == []


def test_an_object_of_every_org_is_suggested_though_the_mapping_does_not_name_it():
    org = {name: seen for name, seen in stock_org().items() if name != "OrderItem"} | {"OrderItems": None}
    problem = only(LINES.replace('"OrderItem"', '"OrderItems"'), org)
    assert problem.help == 'did you mean "OrderItem"?'


def test_an_object_of_every_org_that_cannot_be_seen_is_not_taken_for_another_one():
    problem = only(LINES, stock_org() | {"OrderItem": None})
    assert (problem.code, problem.help) == ("M101", None)
    assert "read access" in problem.note


# --- the currency of what is written ---------------------------------------------------------------------
def of_several_currencies(*active, **more):
    """A stock org with our package that has several currencies, as it describes itself."""
    org, code = (
        stock_org(),
        picklist("CurrencyIsoCode", *active, restricted=True, permissionable=False, **more),
    )
    for name in ("Account", "Rebate_Standing__c", "Rebate_Payout__c"):
        org[name] = with_fields(org[name], code)
    return org


SHIPPED = read_mapping("standard")
STANDARD_WITH_ACCOUNT = parse_mapping(
    standard_text().replace("# currency =", "currency =", 1), "mapping.toml"
)


def test_no_mapping_has_to_name_the_currency_of_what_is_written():
    org = of_several_currencies("USD", "EUR")
    assert check(STANDARD_WITH_ACCOUNT, org, {"retail": "EUR"}) == []


def test_a_mapping_that_names_it_fits_an_org_with_it_and_one_without():
    text = standard_text().replace("# currency =", "currency =", 1)
    text = text.replace('Currency_Code__c = "standing.currency"', 'CurrencyIsoCode = "standing.currency"')
    text = text.replace('Currency_Code__c = "payout.currency"', 'CurrencyIsoCode = "payout.currency"')
    assert check(parse_mapping(text, "m.toml"), of_several_currencies("USD", "EUR"), {"retail": "EUR"}) == []
    single = parse_mapping(text.replace("currency = ", "# currency = ", 1), "m.toml")
    assert [
        one.code for one in check(single, stock_org()) if one.place.excerpt.startswith("CurrencyIso")
    ] == []


def test_programs_in_a_currency_that_is_not_active_are_named_once_with_what_to_do():
    programs = {"kw": "KWD", "japan": "JPY", "osaka": "JPY", "retail": "USD"}
    found = check(STANDARD_WITH_ACCOUNT, of_several_currencies("USD", "KWD"), programs)
    (problem,) = [one for one in found if one.code != "M212"]
    assert (problem.level, problem.code) == ("error", "M310")
    assert problem.in_a_line == (
        "programs japan, osaka are in JPY, which is no active currency of this org (it has USD, KWD): a sync refuses "
        "them, and goes on with the others "
        "(activate JPY in Setup > Manage Currencies, or correct `currency` in the program)"
    )
    assert check(
        STANDARD_WITH_ACCOUNT, stock_org() | {"Account": of_several_currencies()["Account"]}, programs
    )


def test_a_translated_currency_is_compared_as_it_is_written():
    text = standard_text().replace("# currency =", "currency =", 1)
    line = 'CurrencyIsoCode = { from = "standing.currency", values = { CNY = "CNH" } }\n'
    text = text.replace("[push.standing.fields]\n", "[push.standing.fields]\n" + line)
    mapping, org = parse_mapping(text, "m.toml"), of_several_currencies("USD", "CNH")
    org["Rebate_Payout__c"] = stock_org()["Rebate_Payout__c"]
    assert check(mapping, org, {"china": "CNY"}) == []


def test_amounts_in_our_users_currency_are_warned_of_where_a_record_cannot_name_its_own():
    org = of_several_currencies("USD", "EUR", createable=False, updateable=False)
    assert {one.code for one in check(STANDARD_WITH_ACCOUNT, org, {"retail": "EUR"})} == {"M214"}


def test_accounts_whose_currency_is_not_read_are_warned_of():
    (problem,) = check(SHIPPED, of_several_currencies("USD"), {"retail": "USD"})
    assert problem.code == "M204"
    assert "amounts in another currency would be shown in the account's" in problem.message


@pytest.mark.parametrize("name", ["to_next_tier", "next_threshold"])
def test_what_may_be_units_in_a_field_of_money_is_said(name):
    org = org_with("Account", field("Gap__c", "currency", precision=18, scale=2))
    problem = only(f'{PUSH}Gap__c = {{ from = "standing.{name}", round = "currency" }}\n', org)
    assert (problem.level, problem.code) == ("warning", "M217")
    assert ("standing.amount_to_next_tier" in problem.in_a_line) == (name == "to_next_tier")
    number = org_with("Account", field("Gap__c", "double", precision=18, scale=2))
    assert not found(f'{PUSH}Gap__c = {{ from = "standing.{name}", round = "currency" }}\n', number)
