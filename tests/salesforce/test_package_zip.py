"""The zip that is deployed holds what the folder holds, in the Metadata API's own layout."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from connector.package_zip import NAMESPACE, Component, PackageError, build_package, build_removal, components

SOURCE = Path(__file__).parents[2] / "salesforce" / "force-app"
NS = {"m": NAMESPACE}


def unpacked(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def manifest(data: bytes, name: str = "package.xml") -> dict[str, list[str]]:
    root = ElementTree.fromstring(unpacked(data)[name])
    return {
        types.findtext("m:name", namespaces=NS) or "": [m.text or "" for m in types.findall("m:members", NS)]
        for types in root.findall("m:types", NS)
    }


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    again = tmp_path / "copied-later"
    shutil.copytree(SOURCE, again)
    assert build_package(SOURCE, "62.0") == build_package(again, "62.0")


def test_fields_of_an_object_are_merged_into_one_file() -> None:
    files = unpacked(build_package(SOURCE, "62.0"))
    standing = ElementTree.fromstring(files["objects/Rebate_Standing__c.object"])
    names = {e.findtext("m:fullName", namespaces=NS) for e in standing.findall("m:fields", NS)}
    on_disk = {p.name.split(".")[0] for p in SOURCE.rglob("Rebate_Standing__c/fields/*")}
    assert names == on_disk
    assert standing.findtext("m:validationRules/m:fullName", namespaces=NS) == "Refuse_Stale_Sequence"
    assert standing.findtext("m:nameField/m:displayFormat", namespaces=NS) == "RS-{000000}"


def test_a_standard_object_brings_only_its_fields_and_is_not_claimed() -> None:
    members = manifest(build_package(SOURCE, "62.0"))
    assert "Account" not in members["CustomObject"]
    assert "Account.Rebate_Tier__c" in members["CustomField"]
    assert "Activity.Rebate_Key__c" in members["CustomField"]


def test_every_file_is_named_by_the_manifest_and_tests_stay_at_home() -> None:
    data = build_package(SOURCE, "62.0")
    files, members = unpacked(data), manifest(data)
    assert not [name for name in files if "__tests__" in name or name.endswith("jsconfig.json")]
    assert members["PermissionSet"] == [
        "Rebate_Payout_Approver",
        "Rebate_Sync_Integration",
        "Rebate_Viewer",
    ]
    assert members["CustomNotificationType"] == ["Rebate_Alert"]
    assert "permissionsets/Rebate_Viewer.permissionset" in files
    assert sum(map(len, members.values())) == len(components(SOURCE))


def test_reports_and_their_folder_are_laid_out_as_the_metadata_api_wants(tmp_path: Path) -> None:
    reports = tmp_path / "main" / "default" / "reports"
    (reports / "Rebates").mkdir(parents=True)
    (reports / "Rebates.reportFolder-meta.xml").write_text("<ReportFolder/>")
    (reports / "Rebates" / "Standing.report-meta.xml").write_text("<Report/>")
    data = build_package(tmp_path, "62.0")
    assert {"reports/Rebates-meta.xml", "reports/Rebates/Standing.report"} < set(unpacked(data))
    assert manifest(data) == {"Report": ["Rebates", "Rebates/Standing"]}


def test_translated_fields_are_merged_into_their_object() -> None:
    data = build_package(SOURCE.parent / "translations", "62.0")
    assert manifest(data)["CustomObjectTranslation"] == [
        "Account-es",
        "Rebate_Payout__c-es",
        "Rebate_Standing__c-es",
    ]
    root = ElementTree.fromstring(unpacked(data)["objectTranslations/Rebate_Payout__c-es.objectTranslation"])
    assert root.findtext("m:fields/m:name", namespaces=NS) == "Status__c"


def test_removal_names_an_object_once_and_the_fields_on_standard_objects() -> None:
    data = build_removal(SOURCE, "62.0")
    gone = manifest(data, "destructiveChanges.xml")
    assert manifest(data) == {}
    assert "Rebate_Standing__c" in gone["CustomObject"]
    assert all(name.startswith(("Account.", "Activity.")) for name in gone["CustomField"])


def test_removal_takes_nothing_that_is_not_ours() -> None:
    gone = manifest(build_removal(SOURCE, "62.0"), "destructiveChanges.xml")
    assert "CustomLabels" not in gone  # that would be every label of the org
    assert "Rebate_Card_Title" in gone["CustomLabel"]
    assert gone["Report"]
    assert all(
        "/" in name for name in gone["Report"] + gone["Dashboard"]
    )  # the folders may hold others' reports
    assert "Layout" not in gone  # goes with its object
    assert gone["ListView"] == ["Account.Rebate_At_Risk", "Account.Rebate_Near_Next_Tier"]


def test_components_come_sorted() -> None:
    found = components(SOURCE)
    assert list(found) == sorted(found)
    assert Component("CustomObject", "Rebate_Payout__c") in found


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("permissionsets/Viewer.xml", "<PermissionSet/>", r"must end in \.permissionset-meta\.xml"),
        ("classes/Trouble.cls", "class Trouble {}", "no kind of metadata"),
        ("objects/X__c/fields/A__c.field-meta.xml", "<CustomField>", "not well-formed XML"),
        ("objects/X__c/fields/A__c.field-meta.xml", "<CustomObject/>", "expected <CustomField>"),
        ("objects/X__c/triggers/A.trigger-meta.xml", "<T/>", "no part of an object"),
        ("lwc/card/card.html", "<template></template>", r"card\.js is missing"),
    ],
)
def test_a_file_that_cannot_be_deployed_is_named(
    tmp_path: Path, path: str, content: str, message: str
) -> None:
    target = tmp_path / "main" / "default" / path
    target.parent.mkdir(parents=True)
    target.write_text(content)
    with pytest.raises(PackageError, match=message):
        build_package(tmp_path, "62.0")


def test_a_missing_or_empty_folder_and_a_strange_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="not a folder"):
        build_package(tmp_path / "nowhere", "62.0")
    with pytest.raises(PackageError, match="no metadata found"):
        build_package(tmp_path, "62.0")
    with pytest.raises(PackageError, match=r"not of the form 62\.0"):
        build_package(SOURCE, "v62")
