"""Many records or many requests in one call: collections, composite, batch, graph."""

from __future__ import annotations

import pytest

from emulator.schema import make_field

V = "/services/data/v68.0"


def part(name, method, path, body=None):
    found = {"referenceId": name, "method": method, "url": f"{V}/{path}"}
    return found | ({"body": body} if body is not None else {})


def rows(*names, **more):
    return [{"attributes": {"type": "Account"}, "Name": name, **more} for name in names]


def codes(response):
    return [each["errors"][0]["statusCode"] if not each["success"] else "ok" for each in response.json()]


def names(call, ids):
    return [call.read("Account", each)["Name"] for each in ids]


@pytest.fixture
def keyed(org):
    data = {"name": "Key__c", "type": "string", "label": "Key", "length": 20, "custom": True}
    org.add_field("Account", make_field(data | {"unique": True, "externalId": True, "permissionable": False}))
    return org


def test_rows_of_a_collection_have_their_own_results_in_order(call):
    response = call("POST", "composite/sobjects", json={"records": rows("A", None, "C")})
    assert response.status == 200
    first, second, third = response.json()
    assert list(first) == ["id", "success", "errors"]
    assert second == {
        "success": False,
        "errors": [
            {
                "statusCode": "REQUIRED_FIELD_MISSING",
                "message": "Required fields are missing: [Name]",
                "fields": ["Name"],
            }
        ],
    }
    assert names(call, [first["id"], third["id"]]) == ["A", "C"]


def test_all_or_none_means_none(call, org):
    response = call("POST", "composite/sobjects", json={"allOrNone": True, "records": rows("A", None, "C")})
    assert response.status == 200
    assert codes(response) == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING", "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    ]  # fmt: skip
    assert org.storage.row('SELECT count(*) FROM "Account"')[0] == 0


def test_more_than_two_hundred_rows_are_refused(call):
    response = call("POST", "composite/sobjects", json={"records": rows(*["A"] * 201)})
    assert (response.status, response.json()[0]["errorCode"]) == (400, "EXCEEDED_ID_LIMIT")
    taken = call("POST", "composite/sobjects", json={"records": rows(*["A"] * 200)})
    assert taken.status == 200
    ids = ",".join([taken.json()[0]["id"]] * 201)
    response = call("DELETE", f"composite/sobjects?ids={ids}")
    assert (response.status, response.json()[0]["errorCode"]) == (400, "EXCEEDED_ID_LIMIT")


def test_a_value_of_the_wrong_json_type_refuses_the_whole_collection(call, org):
    records = [*rows("A"), *rows("B", NumberOfEmployees="many")]
    response = call("POST", "composite/sobjects", json={"records": records})
    assert (response.status, response.json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
    assert org.storage.row('SELECT count(*) FROM "Account"')[0] == 0


def test_rows_without_or_with_an_unknown_type_fail_alone(call):
    records = [{"Name": "A"}, {"attributes": {"type": "Nope__c"}, "Name": "B"}, *rows("C")]
    assert codes(call("POST", "composite/sobjects", json={"records": records})) == [
        "INVALID_TYPE",
        "INVALID_TYPE",
        "ok",
    ]


def test_eleven_changes_of_type_are_too_many(call):
    mixed = [
        row
        for index in range(6)
        for row in (*rows(f"A{index}"), {"attributes": {"type": "Contact"}, "LastName": "B"})
    ]
    assert call("POST", "composite/sobjects", json={"records": mixed}).status == 400
    assert call("POST", "composite/sobjects", json={"records": mixed[:10]}).status == 200


def test_rows_are_changed_by_id_and_a_twice_named_id_fails_both(call):
    ids = [call.create("Account", Name=name) for name in ("A", "B", "C")]
    records = [
        {"attributes": {"type": "Account"}, "id": ids[0], "Name": "A2"},
        {"attributes": {"type": "Account"}, "Id": ids[1], "Name": "B2"},
        {"attributes": {"type": "Account"}, "id": ids[1][:15], "Name": "B3"},
        {"attributes": {"type": "Account"}, "id": "001000000000009AAA", "Name": "X"},
        {"attributes": {"type": "Account"}, "id": "junk", "Name": "X"},
        {"attributes": {"type": "Account"}, "Name": "X"},
    ]
    response = call("PATCH", "composite/sobjects", json={"records": records})
    assert codes(response) == [
        "ok", "DUPLICATE_VALUE", "DUPLICATE_VALUE", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID", "MISSING_ARGUMENT",
    ]  # fmt: skip
    assert names(call, ids) == ["A2", "B", "C"]


def test_an_upsert_says_what_was_created_and_doubled_keys_fail(call, keyed):
    old = call.create("Account", Name="Old", Key__c="k0")
    records = [
        {"attributes": {"type": "Account"}, "Key__c": "k0", "Site": "x"},
        {"attributes": {"type": "Account"}, "Key__c": "k1", "Name": "New"},
        {"attributes": {"type": "Account"}, "Key__c": "dup", "Name": "One"},
        {"attributes": {"type": "Account"}, "Key__c": "DUP", "Name": "Two"},
        {"attributes": {"type": "Account"}, "Name": "No key"},
    ]
    response = call("PATCH", "composite/sobjects/Account/Key__c", json={"records": records})
    assert codes(response) == ["ok", "ok", "DUPLICATE_VALUE", "DUPLICATE_VALUE", "MISSING_ARGUMENT"]
    first, second = response.json()[:2]
    assert first == {"id": old, "success": True, "errors": [], "created": False}
    assert second["created"] is True
    assert call.read("Account", old)["Site"] == "x"


def test_an_upsert_by_id_without_an_id_creates(call):
    records = [{"attributes": {"type": "Account"}, "Id": None, "Name": "New"}]
    (found,) = call("PATCH", "composite/sobjects/Account/Id", json={"records": records}).json()
    assert (found["success"], found["created"]) == (True, True)


def test_records_are_fetched_together_with_null_for_what_is_not_there(call):
    ids = [call.create("Account", Name=name) for name in ("A", "B")]
    call("DELETE", f"sobjects/Account/{ids[1]}")
    response = call("GET", f"composite/sobjects/Account?ids={','.join(ids)}&fields=Name,Site")
    assert [each and each["Name"] for each in response.json()] == ["A", None]
    same = call("POST", "composite/sobjects/Account", json={"ids": ids, "fields": ["Name", "Site"]})
    assert same.json() == response.json()


def test_records_are_deleted_together(call):
    ids = [call.create("Account", Name="A"), call.create("Contact", LastName="B")]
    assert codes(call("DELETE", f"composite/sobjects?ids={ids[0]},{ids[1]},zzz")) == [
        "ok",
        "ok",
        "MALFORMED_ID",
    ]
    left = call.create("Account", Name="C")
    assert codes(call("DELETE", f"composite/sobjects?ids={left},{ids[0]}&allOrNone=true")) == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK", "ENTITY_IS_DELETED",
    ]  # fmt: skip
    assert call.read("Account", left)["IsDeleted"] is False


def test_later_parts_use_what_earlier_ones_answered(call):
    body = {
        "compositeRequest": [
            part("acme", "POST", "sobjects/Account", {"Name": "Acme"}),
            part("smith", "POST", "sobjects/Contact", {"LastName": "Smith", "AccountId": "@{acme.id}"}),
            part("read", "GET", "sobjects/Account/@{acme.id}?fields=Name"),
        ]
    }
    before = call.org.usage.total
    response = call("POST", "composite", json=body)
    assert response.status == 200
    acme, smith, read = response.json()["compositeResponse"]
    assert (acme["httpStatusCode"], smith["httpStatusCode"], read["body"]["Name"]) == (201, 201, "Acme")
    assert acme["httpHeaders"] == {"Location": f"{V}/sobjects/Account/{acme['body']['id']}"}
    assert set(acme) == {"body", "httpHeaders", "httpStatusCode", "referenceId"}
    assert call.read("Contact", smith["body"]["id"])["AccountId"] == acme["body"]["id"]
    assert call.org.usage.total - before == 2  # one for the composite call, one for reading the contact


def test_a_failure_halts_what_refers_to_it_and_nothing_else(call):
    body = {
        "compositeRequest": [
            part("bad", "POST", "sobjects/Account", {}),
            part("child", "POST", "sobjects/Contact", {"LastName": "S", "AccountId": "@{bad.id}"}),
            part("good", "POST", "sobjects/Account", {"Name": "Good"}),
        ]
    }
    bad, child, good = call("POST", "composite", json=body).json()["compositeResponse"]
    assert (bad["httpStatusCode"], good["httpStatusCode"]) == (400, 201)
    assert child["body"][0]["errorCode"] == "PROCESSING_HALTED"


def test_all_or_none_undoes_the_whole_composite(call, org):
    body = {
        "allOrNone": True,
        "compositeRequest": [
            part("good", "POST", "sobjects/Account", {"Name": "Good"}),
            part("bad", "POST", "sobjects/Account", {}),
            part("later", "POST", "sobjects/Account", {"Name": "Later"}),
        ],
    }
    found = call("POST", "composite", json=body).json()["compositeResponse"]
    message = "The transaction was rolled back since another operation in the same transaction failed."
    assert [each["body"][0]["errorCode"] for each in found] == [
        "PROCESSING_HALTED", "REQUIRED_FIELD_MISSING", "PROCESSING_HALTED",
    ]  # fmt: skip
    assert found[0]["body"][0]["message"] == message
    assert org.storage.row('SELECT count(*) FROM "Account"')[0] == 0


def test_a_collection_with_a_bad_row_undoes_an_all_or_none_composite(call, org):
    body = {
        "allOrNone": True,
        "compositeRequest": [
            part("one", "POST", "sobjects/Account", {"Name": "Good"}),
            part("many", "POST", "composite/sobjects", {"allOrNone": False, "records": rows("A", None)}),
        ],
    }
    assert call("POST", "composite", json=body).status == 200
    assert org.storage.row('SELECT count(*) FROM "Account"')[0] == 0


def test_describe_and_errors_travel_inside_a_composite(call):
    body = {
        "compositeRequest": [
            part("describe", "GET", "sobjects/Account/describe"),
            part("missing", "GET", "sobjects/Nonsense/describe"),
            part(
                "ids", "GET", "sobjects/Account/updated?start=2026-11-23T14:00:00Z&end=2026-11-23T15:00:00Z"
            ),
        ]
    }
    describe, missing, ids = call("POST", "composite", json=body).json()["compositeResponse"]
    assert describe["body"]["name"] == "Account"
    assert (missing["httpStatusCode"], missing["body"]) == (
        404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}],
    )  # fmt: skip
    assert ids["httpStatusCode"] == 200


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [part(f"r{index}", "GET", "limits") for index in range(26)],
        [part("same", "GET", "limits"), part("same", "GET", "limits")],
        [part("bad id!", "GET", "limits")],
        [part("in", "POST", "composite", {})],
        [{"referenceId": "x", "method": "GET", "url": "https://elsewhere.example/"}],
        [part(f"r{index}", "GET", "query?q=SELECT+Id+FROM+Account") for index in range(6)],
        ["text"],
    ],
)
def test_a_composite_that_breaks_the_rules_is_refused_whole(call, parts):
    assert call("POST", "composite", json={"compositeRequest": parts}).status == 400


def test_elements_of_lists_can_be_referred_to(call):
    body = {
        "compositeRequest": [
            part("many", "POST", "composite/sobjects", {"records": rows("A", "B")}),
            part("child", "POST", "sobjects/Contact", {"LastName": "S", "AccountId": "@{many[1].id}"}),
            part("none", "POST", "sobjects/Contact", {"LastName": "S", "AccountId": "@{many[7].id}"}),
        ]
    }
    many, child, none = call("POST", "composite", json=body).json()["compositeResponse"]
    assert call.read("Contact", child["body"]["id"])["AccountId"] == many["body"][1]["id"]
    assert none["body"][0]["errorCode"] == "PROCESSING_HALTED"


def test_a_batch_goes_on_or_halts_as_asked(call):
    parts = [
        {"method": "POST", "url": "v68.0/sobjects/Account", "richInput": {}},
        {"method": "GET", "url": "v68.0/limits"},
    ]
    found = call("POST", "composite/batch", json={"batchRequests": parts}).json()
    assert (found["hasErrors"], [each["statusCode"] for each in found["results"]]) == (True, [400, 200])
    found = call("POST", "composite/batch", json={"batchRequests": parts, "haltOnError": True}).json()
    assert [each["statusCode"] for each in found["results"]] == [400, 412]


def test_each_graph_happens_whole_or_not_at_all(call, org):
    good = [
        part("a", "POST", "sobjects/Account", {"Name": "Good"}),
        part("c", "POST", "sobjects/Contact", {"LastName": "S", "AccountId": "@{a.id}"}),
    ]
    bad = [part("a", "POST", "sobjects/Account", {"Name": "Bad"}), part("c", "POST", "sobjects/Contact", {})]
    body = {"graphs": [{"graphId": "1", "compositeRequest": good}, {"graphId": "2", "compositeRequest": bad}]}
    first, second = call("POST", "composite/graph", json=body).json()["graphs"]
    assert (first["isSuccessful"], second["isSuccessful"]) == (True, False)
    assert set(first) == {"graphId", "graphResponse", "isSuccessful"}
    assert [row[0] for row in org.storage.rows('SELECT "Name" FROM "Account"')] == ["Good"]


def test_a_graph_is_at_most_fifteen_deep_and_holds_only_records(call):
    chain = [part("r0", "POST", "sobjects/Account", {"Name": "0"})]
    chain += [
        part(f"r{n}", "POST", "sobjects/Account", {"Name": f"{n}", "ParentId": f"@{{r{n - 1}.id}}"})
        for n in range(1, 16)
    ]

    def send(parts):
        return call(
            "POST", "composite/graph", json={"graphs": [{"graphId": "g", "compositeRequest": parts}]}
        ).status

    assert send(chain[:15]) == 200
    assert send(chain) == 400
    assert send([part("q", "GET", "query?q=SELECT+Id+FROM+Account")]) == 400
