"""The arithmetic of `expr`: exact, closed, and clear about what it does not take."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.expression import CannotCompute, ExpressionError, parse

RECORD = {"Quantity": "3", "UnitPrice": "9.9213206E7", "Discount": None, "Type": "Return", "Gift": "true"}


def value(text, **fields):
    return parse(text).value({**RECORD, **fields})


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("-2 - -3", "1"),
        ("0.1 + 0.2", "0.3"),
        ("Quantity * UnitPrice * (1 - coalesce(Discount, 0) / 100)", "297639618"),
        ("min(3, 1, 2) + max(1, 5)", "6"),
        ("abs(0 - 7.50)", "7.50"),
        ("round(2.345, 2)", "2.35"),
        ("round(-2.5)", "-3"),
        ('if(Type == "Return", -Quantity, Quantity)', "-3"),
        ("if(Gift, 0, 1)", "0"),
        ("if(Quantity >= 3, 10, 20)", "10"),
        ("if(Discount > 5, 1, 2)", "2"),
    ],
)
def test_it_computes_as_written(text, result):
    assert value(text) == Decimal(result)


def test_arithmetic_on_an_empty_field_is_empty():
    assert value("Quantity * Discount") is None
    assert value("max(Quantity, Discount)") is None


def test_it_knows_the_fields_it_needs_each_once():
    assert parse("Amount * Order.Rate__c + Amount").paths == ("Amount", "Order.Rate__c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the expression is empty"),
        ("Quantity *", "a value is missing at the end"),
        ("(Quantity", "`)` is missing"),
        ("Quantity Amount", "`Amount` is not expected here"),
        ("__import__('os')", "`_` has no meaning here"),
        ("Quantity ** 2", "`*` is not a value"),
        ("Quantity[0]", "`[` has no meaning here"),
        ("sqrt(Quantity)", 'there is no function "sqrt"'),
        ("round(1, 2, 3)", "round takes 1 to 2 values, not 3"),
        ("1e5", "`1` has no meaning here"),
        ("Quantity.", "`.` has no meaning here"),
        ("(" * 80 + "1" + ")" * 80, "the expression is nested too deeply"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_reason(text, message):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert message in caught.value.message


def test_a_misspelled_function_gets_a_suggestion():
    with pytest.raises(ExpressionError) as caught:
        parse("coalesc(Discount, 0)")
    assert caught.value.help == 'did you mean "coalesce"?'


@pytest.mark.parametrize("text", ["Quantity / 0", "Type * 2", "if(Quantity, 1, 2)", "Quantity < Type"])
def test_a_record_without_an_answer_is_told_apart_from_an_empty_one(text):
    with pytest.raises(CannotCompute):
        value(text)


_AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=4)


@given(_AMOUNTS, _AMOUNTS, _AMOUNTS)
def test_sums_and_products_are_exact(a, b, c):
    record = {"A": str(a), "B": str(b), "C": str(c)}

    assert parse("A * B + C").value(record) == a * b + c


def test_no_digit_is_dropped_before_it_is_asked_for():
    tiny = "1.000000000000000000000000000001"

    assert value("A * A * A - 1", A=tiny) != 0
    assert value("abs(A)", A=tiny) == Decimal(tiny)
    assert value("round(A, 2)", A=tiny) == 1


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused_and_nothing_else(text):
    try:
        parsed = parse(text)
    except ExpressionError as error:
        offset = error.offset
    else:
        offset = len(parsed.text)
    assert 0 <= offset <= len(text)


@pytest.mark.parametrize(
    "text", ["1_000", " 12 ", "\u0663", "\uff11\uff12", "1,000", "0x10", "Infinity", "NaN"]
)
def test_what_no_amount_field_could_hold_is_no_number_of_a_text_field_either(text):
    with pytest.raises(CannotCompute):
        value("Amount__c * 1", Amount__c=text)


def test_large_amounts_arrive_in_scientific_notation_and_are_numbers():
    assert value("Amount__c * 1", Amount__c="9.9213206E7") == Decimal("99213206")
