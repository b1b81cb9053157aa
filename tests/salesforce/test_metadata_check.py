"""The package agrees with the metadata schema and with itself, and the check that says so has teeth.

Each file of the package is broken in turn, in every way that fits it: the check must see each.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.package_zip import components
from mappings.file import read_mapping
from mappings.permissions import permission_set_xml
from salesforce.tools.metadata_check import check, load
from salesforce.tools.metadata_check.check import MANIFEST
from salesforce.tools.metadata_check.nodes import NotWellFormed, parse
from salesforce.tools.metadata_check.schema import conforms

ROOT = Path(__file__).parents[2] / "salesforce"
FILES = load(ROOT)
# Texts that are words for people: changing one breaks nothing.
WORDS = {
    "apiVersion", "categories", "chartTheme", "colorPalette", "description", "errorMessage", "footer", "header",
    "headerColor", "inlineHelpText", "label", "masterLabel", "metricLabel", "motif", "relationshipLabel",
    "pluralLabel", "shortDescription", "textColor", "title", "titleColor", "value", "backgroundEndColor",
    "backgroundStartColor", "indicatorHighColor", "indicatorLowColor", "indicatorMiddleColor", "displayFormat",
    "identifier", "scope", "language", "translation", "supportedFormFactor", "version", "name", "type", "sortOrder",
}  # fmt: skip


def problems(path: str, text: str | None) -> list[str]:
    files = {**FILES, path: text} if text is not None else {k: v for k, v in FILES.items() if k != path}
    return [str(problem) for problem in check(files)]


def seen(path: str, text: str | None) -> bool:
    """Whether the check has something to say; its schema part, which is quick, is asked first."""
    if text is not None and path.endswith(".xml") and path != MANIFEST:
        try:
            if any(conforms(path, parse(text))):
                return True
        except NotWellFormed:
            pass  # the whole check must say so, and is asked now
    return bool(problems(path, text))


def breakages(path: str, text: str) -> Iterator[tuple[str, str | None]]:
    """(what was done, the text then): one of each kind that the file offers."""
    yield "lost", None
    if path.endswith(".xml"):
        yield "cut off", text[: len(text) // 2]
        elements = re.findall(r"<([a-zA-Z]\w*)>", text)
        for element in dict.fromkeys(elements):
            broken = text.replace(f"<{element}>", f"<{element}x>").replace(f"</{element}>", f"</{element}x>")
            yield f"<{element}> misspelled", broken
        done = set()
        for match in re.finditer(r"<(\w+)>([^<>\s]+)</\1>", text):
            element, value = match[1], match[2]
            kind = (element, "__c" in value)
            if kind in done or (element in WORDS and "__c" not in value):
                continue
            if element == "fullName" and "<valueSet>" in text and not value.endswith("__c"):
                continue  # a value of a picklist: any is as good, and the mapping is asked below
            done.add(kind)
            wrong = value.replace("__c", "x__c", 1) if "__c" in value else f"{value}x"
            yield f"<{element}> {value} → {wrong}", text[: match.start(2)] + wrong + text[match.end(2) :]
    elif path.endswith(".js"):
        for label in list(dict.fromkeys(re.findall(r"label/c\.(\w+)", text)))[:2]:
            yield f"label {label} missing", text.replace(f"label/c.{label}", f"label/c.{label}x")
        for name in list(dict.fromkeys(re.findall(r"\b\w+__[cr]\b", text)))[:3]:
            wrong = re.sub(r"__([cr])$", r"x__\1", name)
            yield f"field {name} → {wrong}", re.sub(rf"\b{name}\b", wrong, text)
        for module in re.findall(r'from "((?:c|lightning)/\w+)"', text):
            yield f"module {module} missing", text.replace(f'"{module}"', f'"{module}x"')
        yield "last brace lost", text.rstrip()[:-1]
    elif path.endswith(".html"):
        for name in list(dict.fromkeys(re.findall(r"\{(\w+)[.}]", text))):
            yield f"{{{name}}} misspelled", re.sub(rf"\{{{name}\b", f"{{{name}x", text, count=1)
        for tag in dict.fromkeys(re.findall(r"<((?:c|lightning)-[\w-]+)", text)):
            yield f"<{tag}> misspelled", re.sub(rf"(</?{tag})\b", r"\1x", text)
        yield "an element not closed", re.sub(r"</(\w+)>\s*\Z", "", text.rstrip())
    elif path.endswith(".css"):
        yield "a brace lost", text.rstrip()[:-1]
        for name in list(dict.fromkeys(re.findall(r"^\.([a-z][\w-]*)", text, re.M))):
            yield f".{name} misspelled", re.sub(rf"\.{name}(?![\w-])", f".{name}x", text)


def test_the_package_has_no_problems() -> None:
    assert [str(problem) for problem in check(FILES)] == []


def test_the_project_names_the_folders_that_there_are() -> None:
    project = json.loads((ROOT / "sfdx-project.json").read_text(encoding="utf-8"))
    folders = [item["path"] for item in project["packageDirectories"]]
    assert folders == ["force-app", "translations"]
    assert all((ROOT / folder / "main" / "default").is_dir() for folder in folders)
    assert f"<version>{project['sourceApiVersion']}</version>" in FILES[MANIFEST]


def test_the_manifest_names_what_would_be_deployed() -> None:
    deployed = components([ROOT / "force-app", ROOT / "translations"])
    named = re.findall(r"<members>(.*?)</members>", FILES[MANIFEST])
    assert sorted(c.name for c in deployed) == sorted(named)


@pytest.mark.parametrize("path", sorted(FILES))
def test_breaking_a_file_in_any_way_is_seen(path: str) -> None:
    tried = 0
    for what, text in breakages(path, FILES[path]):
        assert text != FILES[path], f"{path}: {what} changed nothing"
        assert seen(path, text), f"{path}: {what}: the check saw nothing"
        tried += 1
    assert tried >= 2


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        (
            "objects/Rebate_Standing__c/fields/Tier__c.field-meta.xml",
            "<length>80</length>", "<lenght>80</lenght>",
            "Tier__c.field-meta.xml:0: <lenght> is not an element of CustomField; did you mean length?",
        ),
        (
            "permissionsets/Rebate_Viewer.permissionset-meta.xml",
            "Account.Rebate_Tier__c", "Account.Rebate_Teir__c",
            "there is no field Account.Rebate_Teir__c; did you mean Account.Rebate_Tier__c?",
        ),
        (
            "permissionsets/Rebate_Viewer.permissionset-meta.xml",
            "Rebate_Standing__c.Tier__c", "Rebate_Standing__c.Sync_Key__c",
            "Sync_Key__c is required or master-detail: a permission set may not name it",
        ),
        (
            "objects/Rebate_Standing__c/fields/Days_Left__c.field-meta.xml",
            "TODAY()", "TODAY(",
            "formula does not close",
        ),
        (
            "objects/Rebate_Standing__c/fields/Progress__c.field-meta.xml",
            "&quot;Quantity&quot;", "&quot;Quantities&quot;",
            "Qualifier__c has no value 'Quantities'; did you mean Quantity?",
        ),
        (
            "objects/Rebate_Standing__c/fields/Uplift__c.field-meta.xml",
            "MAX(0,", "MAXI(0,",
            "formula calls MAXI, which is no function known here; did you mean MAX?",
        ),
        (
            "objects/Rebate_Standing__c/fields/Region__c.field-meta.xml",
            "Account__r.BillingState", "Account__r.BilingState",
            "formula uses Account.BilingState, which does not exist; did you mean BillingState?",
        ),
        (
            "objects/Rebate_Standing__c/listViews/At_Risk.listView-meta.xml",
            "<value>At_Risk</value>", "<value>Risky</value>",
            "Status__c has no value 'Risky'",
        ),
        (
            "translations/es.translation-meta.xml",
            "{0} para {1}", "{0} para",
            "Rebate_Headline_Gap does not have the places {0} {1} of the English label",
        ),
        (
            "flexipages/Rebate_Account_Record_Page.flexipage-meta.xml",
            "<value>3</value>", "<value>99</value>",
            "maxPrograms is a whole number from 1 to 20, not '99'",
        ),
        (
            "reports/Rebates/Near_Next_Tier.report-meta.xml",
            "$Uplift__c", "$Upllft__c",
            "is not in the report type; did you mean Account.Rebate_Standings__r$Uplift__c?",
        ),
        (
            "dashboards/Rebates/Rebate_Overview.dashboard-meta.xml",
            "<columnIndex>4</columnIndex>", "<columnIndex>3</columnIndex>",
            "lies on another component, or beyond the last column",
        ),
        (
            "lwc/rebateProgram/rebateProgram.html",
            "{labels.steps}", "{labels.stepz}",
            "{labels.stepz}: no such label; did you mean steps?",
        ),
    ],
)  # fmt: skip
def test_a_finding_says_what_and_where_and_what_was_meant(
    path: str, old: str, new: str, message: str
) -> None:
    text = FILES[path].replace('"Quantity"', "&quot;Quantity&quot;")
    assert old in text
    found = problems(path, text.replace(old, new))
    line = text[: text.index(old)].count("\n") + 1
    wanted = message.replace(":0:", f":{line}:")
    assert any(wanted in problem and problem.startswith(path) for problem in found), found


def test_a_field_that_nobody_may_see_is_found() -> None:
    path = "objects/Account/fields/Rebate_Extra__c.field-meta.xml"
    text = FILES["objects/Account/fields/Rebate_Tier__c.field-meta.xml"]
    found = problems(path, text.replace("Rebate_Tier__c", "Rebate_Extra__c"))
    assert f"{path}: no permission set lets anybody see Account.Rebate_Extra__c" in found


def test_the_picklists_hold_what_the_mapping_writes() -> None:
    standard = tomllib.loads((ROOT.parent / "mappings" / "standard.toml").read_text(encoding="utf-8"))
    compared = 0
    for target in standard["push"].values():
        for name, value in target.get("fields", {}).items():
            path = f"objects/{target.get('object')}/fields/{name}.field-meta.xml"
            if path in FILES and isinstance(value, dict) and "values" in value:
                held = re.findall(r"<fullName>(\w+)</fullName>\s*<default>", FILES[path])
                assert set(value["values"].values()) == set(held), path
                compared += 1
    assert compared >= 4


def test_the_integration_permission_set_grants_what_the_standard_mapping_needs() -> None:
    shipped = parse(FILES["permissionsets/Rebate_Sync_Integration.permissionset-meta.xml"])
    wanted = parse(permission_set_xml(read_mapping("standard")))
    # order products follow their order; a master-detail field may not be named
    beyond = {"OrderItem.TotalPrice", "Rebate_Standing__c.Account__c", "Rebate_Payout__c.Account__c"}
    editable = {n.one("field"): n.one("editable") for n in shipped.all("fieldPermissions")}
    needed = {n.one("field"): n.one("editable") for n in wanted.all("fieldPermissions")}
    assert {k: v for k, v in needed.items() if k not in beyond} == {
        k: editable.get(k) for k in needed if k not in beyond
    }
    objects = {n.one("object") for n in shipped.all("objectPermissions")}
    assert {n.one("object") for n in wanted.all("objectPermissions")} <= objects
    names = {n.text for n in shipped.all("userPermissions/name")}
    assert names == {"ApiEnabled", "EditTask", "SendCustomNotifications"}
