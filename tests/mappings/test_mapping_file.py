"""Mapping files: what they may say, and everything that is wrong with one at once, with its place."""

from decimal import Decimal

import pytest

from mappings.file import parse_mapping, read_mapping
from mappings.model import Placeholder, Source, Verbatim
from mappings.problems import MappingProblems

ACCOUNT = """
[pull.account]
object = "Account"
[pull.account.fields]
name = "Name"
"""


def codes(problems):
    return [problem.code for problem in problems]


def pointed_at(problem):
    place = problem.place
    return place.excerpt[place.column - 1 :][: place.length]


def test_a_source_is_a_field_or_a_table_of_settings(mapping_of):
    fields = (
        mapping_of(
            ACCOUNT
            + """
region = { field = "Region__c", values = { "NA" = "north_america" }, other = "elsewhere", trim = true }
segment = { first = ["Segment__c", "Parent.Segment__c"], default = "standard", case = "lower" }
score = { expr = "coalesce(Score__c, 0) * 2", as = "decimal" }
channel = { const = "indirect" }
"""
        )
        .pull["account"]
        .fields
    )

    assert fields["name"] == Source(paths=("Name",))
    assert fields["region"] == Source(
        paths=("Region__c",), values={"NA": "north_america"}, other="elsewhere", trim=True
    )
    assert fields["segment"].needs == ("Segment__c", "Parent.Segment__c")
    assert fields["score"].needs == ("Score__c",)
    assert fields["channel"] == Source(const="indirect")


def test_names_that_are_no_columns_become_attributes(mapping_of):
    entity = mapping_of(ACCOUNT + 'segment = "Segment__c"\nchannel = "Channel__c"').pull["account"]

    assert entity.attributes == ("channel", "segment")
    assert entity.paths == (
        "Id", "SystemModstamp", "IsDeleted", "MasterRecordId", "Name", "Segment__c", "Channel__c",
    )  # fmt: skip


def test_an_override_of_one_org_replaces_what_it_names_and_nothing_else(mapping_of):
    text = (
        ACCOUNT
        + """
region = { field = "Region__c", trim = true }
[org.prod]
namespace = "acme"
[org.prod.pull.account]
object = "Partner__c"
[org.prod.pull.account.fields]
region = { field = "Zone__c" }
"""
    )
    plain, prod = mapping_of(text), mapping_of(text, "prod")

    assert plain.pull["account"].object == "Account"
    assert (prod.pull["account"].object, prod.namespace) == ("Partner__c", "acme")
    assert prod.pull["account"].fields["name"] == Source(paths=("Name",))
    assert prod.pull["account"].fields["region"] == Source(paths=("Zone__c",)), (
        "not mixed with the trim below"
    )


def test_an_override_may_change_one_setting_of_a_field(mapping_of):
    mapping = mapping_of(
        ACCOUNT + 'region = { field = "Region__c", default = "west" }\n'
        '[org.eu.pull.account.fields.region]\ndefault = "east"\n',
        "eu",
    )

    assert mapping.pull["account"].fields["region"] == Source(paths=("Region__c",), default="east")


def test_a_mistake_in_the_override_of_another_org_is_found_today(problems_of):
    (problem,) = problems_of(
        ACCOUNT + '[org.prod.pull.account.fields]\nregion = { feild = "Zone__c", const = "x" }'
    )

    assert (problem.code, pointed_at(problem)) == ("M003", "feild")


def test_the_namespace_stands_before_our_fields_and_no_others(mapping_of):
    push = mapping_of(
        """
        namespace = "acme"
        [push.standing]
        object = "Rebate_Standing__c"
        match = "Sync_Key__c"
        [push.standing.fields]
        Sync_Key__c = "standing.key"
        Name = "program.name"
        other__Tier__c = "standing.tier"
        """
    ).push["standing"]

    assert (push.object, push.match) == ("acme__Rebate_Standing__c", "acme__Sync_Key__c")
    assert list(push.fields) == ["acme__Sync_Key__c", "Name", "other__Tier__c"]


def test_a_template_is_split_into_its_pieces(mapping_of):
    fields = (
        mapping_of(
            """
        [push.task]
        object = "Task"
        on = ["near_tier"]
        [push.task.fields]
        Subject = { text = "{member.name}: {standing.to_next_tier:money} {{gap}}" }
        """
        )
        .push["task"]
        .fields
    )

    assert fields["Subject"].text == (
        Placeholder("member.name"),
        Verbatim(": "),
        Placeholder("standing.to_next_tier", "money"),
        Verbatim(" {gap}"),
    )
    assert fields["Subject"].max_length == 255


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(problems_of):
    problems = problems_of(
        """
        schema = 2
        time_zone = "America/New_Yrok"
        [pull.member]
        object = "Account"
        [pull.order]
        object = "Order"
        wehre = "Status = 'x'"
        [pull.order.fields]
        acount_id = { feild = "AccountId" }
        active = { field = "StatusCode", values = { Activated = "yes" }, other = false }
        [push.account]
        object = "Account"
        match = "Id"
        [push.account.fields]
        Rebate_Total__c = "standing.rebat"
        """
    )

    assert codes(problems) == ["M017", "M007", "M001", "M003", "M004", "M004", "M003", "M015", "M005"]
    assert [p.place.line for p in problems] == sorted(p.place.line for p in problems)


@pytest.mark.parametrize(
    ("line", "code", "culprit", "help_"),
    [
        ('region = { field = "Region__c", defalt = "x" }', "M003", "defalt", 'did you mean "default"?'),
        ('region = { field = "Region__c", case = "lowr" }', "M007", "lowr", 'did you mean "lower"?'),
        ('region = { field = "Region__c", const = "x" }', "M011", None, "one of: field, first, const, expr"),
        ("region = { trim = true }", "M011", None, "one of: field, first, const, expr"),
        ('region = "Region *"', "M009", "Region *", None),
        ('region = { field = "R__c", other = "x" }', "M012", "other", None),
        ('name2 = { expr = "Score__c *" }', "M014", None, None),
        ('Region = "Region__c"', "M002", "Region", 'did you mean "region"?'),
        ("score = { const = 1.5 }", "M006", "1.5", 'write it as text: "1.5"'),
        ('deleted = { const = "maybe" }', "M015", "maybe", None),
        ('parent_id = { field = "ParentId", as = "date" }', "M013", "date", "here: text"),
        ('region = { field = "Region__c", sign = "reverse" }', "M013", "sign", None),
        ("region = 7", "M006", "7", None),
        ("region = { first = [] }", "M006", None, None),
        ('region = "A.B.C.D.E.F.G"', "M009", "A.B.C.D.E.F.G", None),
        ('region = { field = "" }', "M006", None, "leave the setting out, or fill it"),
    ],
)
def test_each_mistake_in_a_field_has_its_code_and_place(problems_of, line, code, culprit, help_):
    problem = problems_of(ACCOUNT + line)[0]

    assert problem.code == code
    if culprit is not None:
        assert pointed_at(problem) == culprit
    if help_ is not None:
        assert problem.help is not None
        assert help_ in problem.help


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("Type = 'A", "a text in the condition is not closed"),
        ("(Type = 'A'", "a ( is not closed"),
        ("Type = 'A')", "a ) has no ( before it"),
        ("Type = 'A' LIMIT 5", "LIMIT is no part of a condition"),
        ("Type = 'A' ORDER BY Name", "ORDER is no part of a condition"),
        ('Type = \\"A\\"', "SOQL texts stand in single quotes"),
        ("Type = 'A'; DELETE", "`;` has no meaning in a SOQL condition"),
    ],
)
def test_a_condition_must_stay_a_condition(problems_of, where, message):
    (problem,) = problems_of(
        f'[pull.account]\nobject = "Account"\nwhere = "{where}"\n[pull.account.fields]\nname = "Name"'
    )

    assert (problem.code, problem.message) == ("M010", message)


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ('T__c = "standing.acrued"', "M005", 'there is no value "standing.acrued"'),
        ('T__c = { from = "standing.rebate", rund = 2 }', "M003", 'unknown setting "rund"'),
        (
            'T__c = { from = "standing.rebate", round = 9 }',
            "M015",
            'round is a number of decimals, 0 to 6, or "currency"',
        ),
        (
            'T__c = { from = "standing.qualifying_quantity", round = "currency" }',
            "M015",
            'round = "currency" is for amounts of money',
        ),
        (
            'T__c = { from = "standing.rebate", round = "curency" }',
            "M006",
            "round is text where a whole number is needed",
        ),
        ('T__c = { text = "{standing.tier" }', "M016", "a { has no } after it"),
        (
            'T__c = { text = "{standing.tier:money}" }',
            "M016",
            'standing.tier is a text and cannot be shown as "money"',
        ),
        ('T__c = { text = "{standing.rebate:mony}" }', "M016", 'there is no format "mony"'),
        ('T__c = { text = "{standing.gap}" }', "M005", 'there is no value "standing.gap"'),
        (
            'T__c = { from = "standing.tier", as = "percent" }',
            "M013",
            'standing.tier cannot be written as "percent"',
        ),
        (
            'T__c = { from = "standing.status", values = { on_trak = "X" } }',
            "M005",
            'standing.status is never "on_trak"',
        ),
    ],
)
def test_each_mistake_in_a_push_has_its_code(problems_of, line, code, message):
    (problem,) = problems_of(
        f'[push.account]\nobject = "Account"\nmatch = "Id"\n[push.account.fields]\n{line}'
    )

    assert (problem.code, problem.message) == (code, message)


def test_an_order_without_a_day_is_no_order(problems_of):
    (problem,) = problems_of('[pull.order]\nobject = "Order"\n[pull.order.fields]\naccount_id = "AccountId"')

    assert problem.message == "order needs a day: ordered_on or ordered_at is not mapped"


def test_a_problem_is_shown_as_a_compiler_would(problems_of):
    (problem,) = problems_of('[pull.acount]\nobject = "Account"\n')

    assert problem.render() == (
        'error[M001]: unknown entity "acount"\n'
        "  --> mapping.toml:1:7\n"
        "   1 | [pull.acount]\n"
        "     |       ^^^^^^\n"
        '     = help: did you mean "account"?'
    )
    assert problem.as_json()["column"] == 7


def test_a_file_that_is_not_there_suggests_its_neighbor(tmp_path):
    (tmp_path / "mapping.toml").write_text(ACCOUNT)
    with pytest.raises(MappingProblems) as caught:
        read_mapping(tmp_path / "maping.toml")

    (problem,) = caught.value.problems
    assert problem.message == "the mapping cannot be read: No such file or directory"
    assert problem.help == 'did you mean "mapping.toml"?'


def test_a_file_in_another_encoding_is_one_problem(tmp_path):
    (tmp_path / "m.toml").write_bytes('[pull.account]\nobject = "Zürich"'.encode("latin-1"))
    with pytest.raises(MappingProblems, match="is not UTF-8 text"):
        read_mapping(tmp_path / "m.toml")


def test_an_empty_file_maps_nothing(problems_of):
    (problem,) = problems_of("")

    assert problem.code == "M008"


def test_whole_numbers_in_the_file_are_exact_decimals(mapping_of):
    source = (
        mapping_of(
            """
        [pull.order_line]
        object = "OrderItem"
        [pull.order_line.fields]
        order_id = "OrderId"
        quantity = { field = "Quantity", default = 1 }
        amount = { const = "12.50" }
        """
        )
        .pull["order_line"]
        .fields["quantity"]
    )

    assert source.default == Decimal(1)


PAYOUT = """
[push.payout]
object = "Rebate_Payout__c"
match = "Sync_Key__c"
[push.payout.reads]
{reads}
[push.payout.fields]
Sync_Key__c = "payout.key"
Account__c = "member.id"
"""


def test_what_finance_says_of_a_payout_is_read_from_named_fields(mapping_of):
    text = 'namespace = "acme"\n' + PAYOUT.format(reads='status = "Status__c"')
    assert mapping_of(text).push["payout"].reads == {"status": "acme__Status__c"}


@pytest.mark.parametrize(
    ("reads", "code"),
    [('state = "Status__c"', "M005"), ("status = 3", "M009"), ('status = "Status__c, Id"', "M009")],
)
def test_a_reading_that_cannot_be_meant_is_named(problems_of, reads, code):
    (problem,) = problems_of(PAYOUT.format(reads=reads))
    assert problem.code == code


@pytest.mark.parametrize(
    ("written", "instead"),
    [('when = "always"', 'when = "changed"'), ('once_per = "event"', 'once_per = "period"')],
)
def test_what_a_target_cannot_do_is_refused_and_says_what_to_write(written, instead):
    """Both were taken and did nothing."""
    text = f"""
[push.task]
object = "Task"
match = "Rebate_Key__c"
on = ["near_tier"]
{written}
[push.task.fields]
Subject = {{ text = "a task" }}
"""
    with pytest.raises(MappingProblems) as refused:
        parse_mapping(text, "mapping.toml")
    (problem,) = refused.value.problems
    assert (problem.code, problem.place.line) == ("M007", 6)
    assert problem.help.startswith(instead)
    assert parse_mapping(text.replace(written, instead), "mapping.toml").push["task"].when == "changed"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("Status = ", "`=` has no value behind it"),
        ("Status = AND Type = 'A'", "`=` has no value behind it"),
        ("Status LIKE", "`LIKE` has no value behind it"),
        ("Status = 'A' AND", "a condition is missing after AND"),
        ("Status = 'A' OR ", "a condition is missing after OR"),
        ("AND Status = 'A'", "a condition is missing before it"),
        ("NOT", "a condition is missing after NOT"),
        ("Status", "Status is not compared with anything"),
        ("Status 'A'", "Status is not compared with anything"),
        ("Status IN", "IN has no values"),
        ("Status IN ()", "IN has no values"),
        ("()", "there is nothing between ( and )"),
        ("(Status = 'A' AND)", "a condition is missing after AND"),
        ("Status = 'A' Type = 'B'", "`Type` comes where AND or OR should"),
        ("(Status = 'A' Type = 'B')", "`Type` comes where AND or OR should"),
    ],
)
def test_a_condition_that_is_not_whole_is_said_before_the_org_is_asked(problems_of, where, message):
    (problem,) = problems_of(
        f'[pull.account]\nobject = "Account"\nwhere = "{where}"\n[pull.account.fields]\nname = "Name"'
    )
    assert message in problem.message


@pytest.mark.parametrize(
    "where",
    [
        "", "Type = 'A'", "Type = 'A' AND (NOT Name LIKE 'x%' OR Name = null)", "CreatedDate >= 2026-01-01",
        "Last_Year__c = 2026", "Today__c = true", "Kind__c = 'TODAY'", "CreatedDate > 2026-01-01T00:00:00Z", "Id IN (SELECT AccountId FROM Order WHERE Status = 'A')",
        "Type NOT IN ('A', 'B')", "Kinds__c INCLUDES ('A;B', 'C')", "CALENDAR_YEAR(CreatedDate) = 2026",
        "DISTANCE(Place__c, GEOLOCATION(37.7, -122.4), 'mi') < 20", "AnnualRevenue > USD5000", "NOT(IsDeleted = true)",
        "((Type = 'A'))", "Amount__c > -5 and IsDeleted = FALSE",
    ],
)  # fmt: skip
def test_a_whole_condition_is_taken_as_it_is(where):
    from mappings.where import relative_date, where_problem

    assert where_problem(where) is None
    assert relative_date(where) is None


@pytest.mark.parametrize(
    ("where", "word"),
    [
        ("CreatedDate = LAST_N_DAYS:30", "LAST_N_DAYS:30"),
        ("Type = 'A' AND (EffectiveDate >= this_fiscal_quarter)", "this_fiscal_quarter"),
        ("EffectiveDate IN (TODAY, YESTERDAY)", "TODAY"),
        ("Id IN (SELECT OrderId FROM OrderItem WHERE CreatedDate > N_MONTHS_AGO:3)", "N_MONTHS_AGO:3"),
        ("EndDate < NEXT_90_DAYS", "NEXT_90_DAYS"), ("EndDate < Last_N_Fiscal_Years:2", "Last_N_Fiscal_Years:2"),
        ("EndDate != NEXT_YEAR", "NEXT_YEAR"), ("EndDate = LAST_WEEK", "LAST_WEEK"), ("EndDate < TOMORROW", "TOMORROW"),
    ],
)  # fmt: skip
def test_a_date_that_is_another_one_tomorrow_is_refused_in_a_condition(problems_of, where, word):
    (problem,) = problems_of(
        f'[pull.account]\nobject = "Account"\nwhere = "{where}"\n[pull.account.fields]\nname = "Name"'
    )
    assert (problem.code, problem.message.split()[0]) == ("M018", word)
    assert "write the first day that counts" in problem.help
