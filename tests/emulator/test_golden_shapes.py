"""What the emulator answers has the keys, types and attributes that real orgs were recorded with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from emulator.schema import make_field, standard_schema

GOLDEN = Path(__file__).parent / "golden"
DESCRIBES: dict[str, Any] = json.loads((GOLDEN / "describes.json").read_text("utf-8"))
STANDARD: dict[str, dict[str, str]] = json.loads((GOLDEN / "standard_fields.json").read_text("utf-8"))
OBJECTS = [name for name in DESCRIBES if name != "Global"]
OURS = [name for name in OBJECTS if standard_schema().sobject(name)]
JSON_TYPES = {
    type(None): "null",
    bool: "boolean",
    str: "string",
    int: "number",
    list: "array",
    dict: "object",
}


def json_type(value: Any) -> str:
    return JSON_TYPES.get(type(value), "number")


ALL_KEYS = {key for name in OBJECTS for key in DESCRIBES[name]["keys"]}
"""Older versions lack a few keys; the union is what a current version has."""


@pytest.fixture
def described(call):
    return {
        name: response.json()
        for name in [each.name for each in call.org.schema]
        if (response := call("GET", f"sobjects/{name}/describe")).status == 200
    }


def test_every_describe_has_exactly_the_recorded_keys(described):
    assert len(described) >= 18
    for name, found in described.items():
        assert set(found) == ALL_KEYS, name


@pytest.mark.parametrize("name", OBJECTS)
def test_each_recorded_describe_is_covered(described, name):
    recorded = DESCRIBES[name]["keys"]
    ours = described.get(name, described["Account"])
    assert set(recorded) <= set(ours)
    for key, kind in recorded.items():
        assert kind in ("null", json_type(ours[key])), key


@pytest.mark.parametrize("name", OBJECTS)
def test_every_field_has_exactly_the_recorded_field_keys_and_types(described, name):
    recorded = DESCRIBES[name]["field_keys"]
    nullable_text = {"calculatedFormula", "controllerName", "defaultValueFormula", "inlineHelpText", "mask"}
    for found in described.values():
        for field in found["fields"]:
            assert set(field) == set(recorded)
            for key, value in field.items():
                known = {kind for each in OBJECTS for kind in DESCRIBES[each]["field_keys"][key]}
                if key in nullable_text:
                    known.add("string")
                assert json_type(value) in known, (found["name"], field["name"], key)


@pytest.mark.parametrize("name", OURS)
def test_standard_fields_have_the_recorded_attributes(described, name):
    attributes = DESCRIBES[name]["attributes"]
    ours = {field["name"]: field for field in described[name]["fields"]}
    left_out = {"RecordTypeId"}  # orgs without record types of their own do not have it
    for field_name, recorded in DESCRIBES[name]["fields"].items():
        if field_name in left_out:
            continue
        expected = dict(zip(attributes, recorded, strict=True))
        found = {key: ours[field_name][key] for key in attributes}
        if field_name == "WhatId":
            expected["referenceTo"] = found["referenceTo"]  # only objects the emulator has
        assert found == expected, field_name


@pytest.mark.parametrize("name", OURS)
def test_picklists_have_the_recorded_values(described, name):
    ours = {field["name"]: field for field in described[name]["fields"]}
    for field_name, values in DESCRIBES[name]["picklists"].items():
        assert [each["value"] for each in ours[field_name]["picklistValues"]] == values


def test_parts_of_a_describe_have_the_recorded_keys(described):
    account, recorded = described["Account"], DESCRIBES["Account"]
    for child in account["childRelationships"]:
        assert sorted(child) == recorded["child_keys"]
    for kind in account["recordTypeInfos"]:
        assert sorted(kind) == recorded["record_type_keys"]
    for field in account["fields"]:
        for value in field["picklistValues"]:
            assert sorted(value) == recorded["picklist_keys"]
    assert set(account["urls"]) == set(recorded["url_keys"])


def test_the_global_describe_has_the_recorded_shape(call):
    recorded = DESCRIBES["Global"]
    found = call("GET", "sobjects").json()
    assert {key: json_type(value) for key, value in found.items()} == recorded["keys"]
    for each in found["sobjects"]:
        assert set(each) == set(recorded["sobject_keys"])
        for key, value in each.items():
            assert json_type(value) in recorded["sobject_keys"][key], (each["name"], key)
        assert set(recorded["url_keys"]) <= set(each["urls"])


def test_standard_objects_can_what_they_can_in_the_recorded_global_describe(call):
    ours = {each["name"]: each for each in call("GET", "sobjects").json()["sobjects"]}
    for name, recorded in DESCRIBES["Global"]["sobjects"].items():
        found = {key: ours[name][key] for key in recorded}
        if name in ("Organization", "Event"):  # recorded without rights, and cut down by the recorder
            assert name == "Event" or found["keyPrefix"] == recorded["keyPrefix"]
            continue
        assert found == recorded


@pytest.mark.parametrize("name", sorted(STANDARD))
def test_standard_objects_have_every_published_field_with_its_null_rule(name):
    sobject = standard_schema().sobject(name)
    assert sobject is not None
    for field_name, kind in STANDARD[name].items():
        field = sobject.field(field_name)
        assert field is not None, field_name
        kinds = kind.split(" | ")
        if name in ("Order", "OrderItem", "Product2", "Pricebook2", "PricebookEntry"):
            assert field.nillable == ("null" in kinds), field_name
        expected = {
            "boolean": {"boolean"},
            "number": {"int", "double", "currency", "percent"},
            "DateString": {"date", "datetime"},
            "Address": {"address"},
        }.get(kinds[0])
        if expected:
            assert field.type in expected, field_name
        else:
            assert field.type not in {"boolean", "int", "double", "currency", "date", "datetime"}, field_name


def test_the_organization_reads_like_the_recorded_one(call):
    recorded = json.loads((GOLDEN / "organization.json").read_text("utf-8"))
    found = call.read("Organization", call.org.id)
    assert set(found) - set(recorded) <= {"DefaultCurrencyIsoCode"}
    assert set(recorded) <= set(found)
    for key, kind in recorded.items():
        assert json_type(found[key]) in (kind, "null"), key
        if kind == "boolean":
            assert json_type(found[key]) == "boolean"


def test_not_found_is_worded_and_ordered_as_recorded(call):
    recorded = next(
        each
        for each in json.loads((GOLDEN / "errors.json").read_text("utf-8"))
        if each["code"] == "NOT_FOUND"
    )
    (found,) = call("GET", "sobjects/Nonsense__c/describe").json()
    assert list(found) == recorded["keys"]
    assert (found["errorCode"], found["message"]) == (recorded["code"], recorded["message"])


def test_a_part_of_a_composite_that_is_not_found_is_worded_as_recorded(call):
    """The recording is of a composite call."""
    (recorded,) = (
        each
        for each in json.loads((GOLDEN / "errors.json").read_text("utf-8"))
        if each["code"] == "NOT_FOUND"
    )
    part = {"method": "GET", "url": "/services/data/v68.0/sobjects/Nonsense__c/1", "referenceId": "a"}
    reply = call("POST", "composite", json={"compositeRequest": [part]})
    (answer,) = reply.json()["compositeResponse"]
    assert (reply.status, answer["httpStatusCode"]) == (200, 404)
    assert list(answer["body"][0]) == recorded["keys"]
    assert answer["body"][0]["message"] == recorded["message"]


def test_every_recording_is_listed_and_used():
    listed = (GOLDEN / "README.md").read_text("utf-8")
    here = Path(__file__).parent
    tests = "".join(path.read_text("utf-8") for path in here.glob("test_*.py"))
    for path in GOLDEN.glob("*.json"):
        assert f"`{path.name}`" in listed, path.name
        assert f'"{path.name}"' in tests, path.name
    for name in DESCRIBES:
        assert name in listed, name
    for name in re.findall(r"`(test_\w+)`", listed):
        assert f"def {name}(" in tests, name


def test_a_custom_field_is_described_with_all_keys():
    field = make_field(
        {"name": "Rebate__c", "type": "currency", "label": "Rebate", "precision": 18, "scale": 2}
    )
    assert set(field.describe()) == set(DESCRIBES["Account"]["field_keys"])
    assert field.describe()["soapType"] == "xsd:double"
