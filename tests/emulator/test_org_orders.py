"""Orders: draft first, activation alone, no lines added or removed after, reductions below zero, sums kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlencode

import pytest

LOCKED = (
    "Unable to modify activated or superseded Order:  cannot delete Order, or add or remove Order Products"
)


def refusal(response):
    (error,) = response.json()
    return error["errorCode"], error["message"]


@dataclass
class Shop:
    """An account, a product with its standard price of 25.50, and a draft order."""

    call: Callable
    account: str
    entry: str
    order: str
    book: str

    def line(self, quantity=1, **values):
        values.setdefault("OrderId", self.order)
        return self.call.create("OrderItem", PricebookEntryId=self.entry, Quantity=quantity, **values)

    def try_line(self, quantity=1, **values):
        values.setdefault("OrderId", self.order)
        body = {"PricebookEntryId": self.entry, "Quantity": quantity, **values}
        return self.call("POST", "sobjects/OrderItem", json=body)

    def patch(self, sobject, record_id, **values):
        return self.call("PATCH", f"sobjects/{sobject}/{record_id}", json=values)

    def activate(self, order=None):
        response = self.patch("Order", order or self.order, Status="Activated")
        assert response.status == 204, response.content()

    def reduction(self, **values):
        body = {"IsReductionOrder": True, "OriginalOrderId": self.order, "AccountId": self.account}
        body |= {"Pricebook2Id": self.book, "EffectiveDate": "2026-03-01", "Status": "Draft"} | values
        return self.call("POST", "sobjects/Order", json=body)


@pytest.fixture
def shop(call, org):
    book = org.storage.row('SELECT "Id" FROM "Pricebook2" WHERE "IsStandard"')[0]
    account = call.create("Account", Name="Acme")
    product = call.create("Product2", Name="Cream", ProductCode="C-1", IsActive=True)
    entry = call.create(
        "PricebookEntry", Pricebook2Id=book, Product2Id=product, UnitPrice=25.5, IsActive=True
    )
    order = call.create(
        "Order",
        AccountId=account,
        EffectiveDate="2026-02-01",
        Status="Draft",
        Pricebook2Id=book,
        Name="First",
    )
    return Shop(call, account, entry, order, book)


def test_a_line_takes_product_and_price_from_the_price_book_entry(shop):
    line = shop.call.read("OrderItem", shop.line(3))
    assert (str(line["UnitPrice"]), str(line["ListPrice"]), str(line["TotalPrice"])) == (
        "25.5",
        "25.5",
        "76.5",
    )
    assert (str(line["AvailableQuantity"]), line["OrderItemNumber"], line["Type"]) == (
        "3.0", "0000000001", "Order Product",
    )  # fmt: skip
    product = shop.call.read("Product2", line["Product2Id"])
    assert product["ProductCode"] == "C-1"


def test_the_order_amount_is_the_sum_of_its_living_lines(shop):
    first, second = shop.line(2), shop.line(1, UnitPrice=0.05)
    assert str(shop.call.read("Order", shop.order)["TotalAmount"]) == "51.05"
    shop.patch("OrderItem", second, Quantity=1.5)
    assert str(shop.call.read("Order", shop.order)["TotalAmount"]) == "51.075"  # with all its digits
    shop.call("DELETE", f"sobjects/OrderItem/{first}")
    assert str(shop.call.read("Order", shop.order)["TotalAmount"]) == "0.075"


def asked(shop, query):
    return shop.call("GET", f"query?{urlencode({'q': query})}").json()["records"]


def test_a_price_that_an_interface_wrote_keeps_its_digits_in_rest_in_bulk_and_in_sums(shop):
    line = shop.line(1, UnitPrice=Decimal("33.33333333"))
    shop.line(2, UnitPrice=Decimal("33.33333333"))
    assert str(shop.call.read("OrderItem", line)["TotalPrice"]) == "33.33333333"
    found = asked(shop, "SELECT Id FROM OrderItem WHERE UnitPrice = 33.33333333 AND TotalPrice < 33.34")
    assert [row["Id"] for row in found] == [line]
    (total,) = asked(shop, "SELECT SUM(TotalPrice) total FROM OrderItem")
    assert abs(Decimal(str(total["total"])) - Decimal("99.99999999")) < Decimal("1e-12")
    wanted = {"operation": "query", "query": "SELECT TotalPrice FROM OrderItem"}
    job = f"jobs/query/{shop.call('POST', 'jobs/query', json=wanted).json()['id']}"
    assert shop.call("GET", job).json()["state"] == "JobComplete"
    text = shop.call("GET", f"{job}/results").content().decode()
    assert text.split() == ['"TotalPrice"', '"33.33333333"', '"66.66666666"']


def test_an_order_starts_as_a_draft(shop):
    response = shop.call(
        "POST",
        "sobjects/Order",
        json={"AccountId": shop.account, "EffectiveDate": "2026-02-01", "Status": "Activated"},
    )
    assert refusal(response)[0] == "FAILED_ACTIVATION"


def test_an_order_without_products_cannot_be_activated(shop):
    assert refusal(shop.patch("Order", shop.order, Status="Activated"))[0] == "FAILED_ACTIVATION"
    assert shop.call.read("Order", shop.order)["StatusCode"] == "Draft"


def test_activation_is_a_change_of_status_alone(shop):
    shop.line()
    code, message = refusal(shop.patch("Order", shop.order, Status="Activated", Description="now"))
    assert code == "FAILED_ACTIVATION"
    assert "Description" in message
    shop.activate()
    order = shop.call.read("Order", shop.order)
    assert (order["Status"], order["StatusCode"]) == ("Activated", "Activated")
    assert order["ActivatedById"] == order["CreatedById"]
    assert order["ActivatedDate"] == order["SystemModstamp"]


def test_after_activation_lines_stay_but_their_amounts_may_change(shop):
    line = shop.line(2)
    shop.activate()
    assert refusal(shop.try_line()) == ("ENTITY_IS_LOCKED", LOCKED)
    assert refusal(shop.call("DELETE", f"sobjects/OrderItem/{line}")) == ("ENTITY_IS_LOCKED", LOCKED)
    assert refusal(shop.call("DELETE", f"sobjects/Order/{shop.order}")) == ("ENTITY_IS_LOCKED", LOCKED)
    assert shop.patch("OrderItem", line, Quantity=4, UnitPrice=20).status == 204
    assert str(shop.call.read("Order", shop.order)["TotalAmount"]) == "80.0"


def test_a_change_of_a_line_moves_its_own_stamp_and_the_orders_only_if_set_so(shop, org):
    line = shop.line(2)
    before = shop.call.read("Order", shop.order)["SystemModstamp"]
    shop.patch("OrderItem", line, Quantity=4)
    assert shop.call.read("Order", shop.order)["SystemModstamp"] == before
    org.settings.order_stamp_follows_lines = True
    shop.patch("OrderItem", line, Quantity=5)
    assert shop.call.read("Order", shop.order)["SystemModstamp"] > before


def test_the_account_of_an_order_changes_only_while_it_is_a_draft(shop):
    other = shop.call.create("Account", Name="Other")
    assert shop.patch("Order", shop.order, AccountId=other).status == 204
    shop.line()
    shop.activate()
    assert refusal(shop.patch("Order", shop.order, AccountId=shop.account))[0] == "FIELD_INTEGRITY_EXCEPTION"


def test_a_draft_again_forgets_when_it_was_activated(shop):
    shop.line()
    shop.activate()
    assert shop.patch("Order", shop.order, Status="Draft").status == 204
    assert shop.call.read("Order", shop.order)["ActivatedDate"] is None
    shop.line()


@pytest.mark.parametrize("quantity", [0, -1])
def test_an_ordinary_line_is_above_zero(shop, quantity):
    assert refusal(shop.try_line(quantity))[0] == "FIELD_INTEGRITY_EXCEPTION"


def test_negative_lines_are_a_setting_of_the_org(shop, org):
    org.settings.enable_negative_quantity = True
    assert shop.try_line(-2).status == 201
    assert str(shop.call.read("Order", shop.order)["TotalAmount"]) == "-51.0"
    assert shop.try_line(0).status == 400


def test_a_reduction_takes_quantities_off_the_original_when_it_is_activated(shop):
    line = shop.line(5)
    shop.activate()
    reduction = shop.reduction().json()["id"]
    assert refusal(shop.try_line(-1, OrderId=reduction))[0] == "REQUIRED_FIELD_MISSING"
    assert (
        refusal(shop.try_line(2, OrderId=reduction, OriginalOrderItemId=line))[0]
        == "FIELD_INTEGRITY_EXCEPTION"
    )
    assert (
        refusal(shop.try_line(-6, OrderId=reduction, OriginalOrderItemId=line))[0]
        == "FIELD_INTEGRITY_EXCEPTION"
    )
    shop.line(-2, OrderId=reduction, OriginalOrderItemId=line)
    assert str(shop.call.read("OrderItem", line)["AvailableQuantity"]) == "5.0"
    shop.activate(reduction)
    assert str(shop.call.read("OrderItem", line)["AvailableQuantity"]) == "3.0"
    assert str(shop.call.read("Order", reduction)["TotalAmount"]) == "-51.0"


def test_a_reduced_line_and_its_order_are_fixed(shop):
    line = shop.line(5)
    shop.activate()
    reduction = shop.reduction().json()["id"]
    shop.line(-2, OrderId=reduction, OriginalOrderItemId=line)
    shop.activate(reduction)
    assert refusal(shop.patch("OrderItem", line, Quantity=9))[0] == "ENTITY_IS_LOCKED"
    assert refusal(shop.patch("Order", shop.order, Status="Draft"))[0] == "ENTITY_IS_LOCKED"


def test_two_reductions_cannot_take_more_than_there_is(shop):
    line = shop.line(3)
    shop.activate()
    first, second = (shop.reduction().json()["id"] for _ in range(2))
    for each in (first, second):
        shop.line(-2, OrderId=each, OriginalOrderItemId=line)
    shop.activate(first)
    assert refusal(shop.patch("Order", second, Status="Activated"))[0] == "FAILED_ACTIVATION"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"OriginalOrderId": None}, "REQUIRED_FIELD_MISSING"),
        ({"AccountId": "other"}, "FIELD_INTEGRITY_EXCEPTION"),
    ],
)
def test_a_reduction_belongs_to_an_activated_order_of_the_same_account(shop, values, code):
    shop.line()
    assert refusal(shop.reduction())[0] == "FIELD_INTEGRITY_EXCEPTION"  # the original is a draft still
    shop.activate()
    if "AccountId" in values:
        values = {"AccountId": shop.call.create("Account", Name="Other")}
    assert refusal(shop.reduction(**values))[0] == code


def test_reduction_orders_are_a_setting_of_the_org(shop, org):
    org.settings.enable_reduction_orders = False
    shop.line()
    shop.activate()
    assert refusal(shop.reduction())[0] == "FIELD_INTEGRITY_EXCEPTION"


def test_a_line_comes_from_the_price_book_of_its_order(shop):
    other = shop.call.create("Pricebook2", Name="Partners", IsActive=True)
    product = shop.call.read("PricebookEntry", shop.entry)["Product2Id"]
    entry = shop.call.create(
        "PricebookEntry", Pricebook2Id=other, Product2Id=product, UnitPrice=20, IsActive=True
    )
    assert refusal(shop.try_line(PricebookEntryId=entry))[0] == "FIELD_INTEGRITY_EXCEPTION"


def test_a_price_needs_the_standard_price_first_and_exists_once(shop):
    other = shop.call.create("Pricebook2", Name="Partners", IsActive=True)
    product = shop.call.create("Product2", Name="Soap", IsActive=True)
    price = {"Pricebook2Id": other, "Product2Id": product, "UnitPrice": 1, "IsActive": True}
    assert (
        refusal(shop.call("POST", "sobjects/PricebookEntry", json=price))[0] == "STANDARD_PRICE_NOT_DEFINED"
    )
    shop.call.create("PricebookEntry", **{**price, "Pricebook2Id": shop.book})
    shop.call.create("PricebookEntry", **price)
    assert refusal(shop.call("POST", "sobjects/PricebookEntry", json=price))[0] == "DUPLICATE_VALUE"


def test_a_renamed_product_renames_its_prices(shop):
    product = shop.call.read("PricebookEntry", shop.entry)["Product2Id"]
    shop.patch("Product2", product, ProductCode="C-2")
    assert shop.call.read("PricebookEntry", shop.entry)["ProductCode"] == "C-2"


def test_deleting_a_draft_takes_its_lines_along(shop):
    line = shop.line()
    assert shop.call("DELETE", f"sobjects/Order/{shop.order}").status == 204
    assert shop.call("GET", f"sobjects/OrderItem/{line}").status == 404


def test_an_order_cannot_end_before_it_starts(shop):
    assert refusal(shop.patch("Order", shop.order, EndDate="2026-01-31"))[0] == "FIELD_INTEGRITY_EXCEPTION"
