"""What describe says about an object: the key sets recorded from real orgs, from the live schema.

Source: REST API Developer Guide, "Describe Global", "sObject Describe"; recorded describes of v48–v52.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.schema import SObject

if TYPE_CHECKING:
    from emulator.org import Org

MASTER_RECORD_TYPE = "012000000000000AAA"
GLOBAL_FLAGS = (
    "createable", "deletable", "feedEnabled", "layoutable", "mergeable", "mruEnabled", "queryable", "replicateable",
    "retrieveable", "searchable", "triggerable", "undeletable", "updateable", "deepCloneable",
)  # fmt: skip


def base_url(version: str, sobject: SObject) -> str:
    return f"/services/data/v{version}/sobjects/{sobject.name}"


def global_entry(sobject: SObject, version: str) -> dict[str, Any]:
    """One line of the global describe."""
    base = base_url(version, sobject)
    out: dict[str, Any] = {
        "activateable": False,
        "associateEntityType": None,
        "associateParentEntity": None,
        "custom": sobject.custom,
        "customSetting": False,
        "deprecatedAndHidden": False,
        "hasSubtypes": False,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": sobject.key_prefix,
        "label": sobject.label,
        "labelPlural": sobject.label_plural,
        "name": sobject.name,
    }
    out.update({flag: sobject.flag(flag) for flag in GLOBAL_FLAGS})
    out["urls"] = {
        "compactLayouts": f"{base}/describe/compactLayouts",
        "rowTemplate": f"{base}/{{ID}}",
        "approvalLayouts": f"{base}/describe/approvalLayouts",
        "listviews": f"{base}/listviews",
        "describe": f"{base}/describe",
        "quickActions": f"{base}/quickActions",
        "layouts": f"{base}/describe/layouts",
        "sobject": base,
    }
    return dict(sorted(out.items()))


def describe(org: Org, user_id: str, sobject: SObject, version: str, instance: str) -> dict[str, Any]:
    """The whole describe of one object, with only the fields this user may see."""
    out = global_entry(sobject, version)
    base, urls = base_url(version, sobject), out["urls"]
    urls["uiDetailTemplate"] = f"{instance}/{{ID}}"
    urls["uiEditTemplate"] = f"{instance}/{{ID}}/e"
    urls["uiNewRecord"] = f"{instance}/{sobject.key_prefix}/e"
    urls["defaultValues"] = f"{base}/defaultValues?recordTypeId&fields"
    out.update(
        actionOverrides=[],
        childRelationships=_children(org, sobject),
        compactLayoutable=sobject.flag("compactLayoutable"),
        defaultImplementation=None,
        extendedBy=None,
        extendsInterfaces=None,
        fields=_fields(org, user_id, sobject),
        implementedBy=None,
        implementsInterfaces=None,
        listviewable=None,
        lookupLayoutable=None,
        namedLayoutInfos=[],
        networkScopeFieldName=None,
        recordTypeInfos=[_master(base)],
        searchLayoutable=sobject.flag("searchLayoutable"),
        sobjectDescribeOption="FULL",
        supportedScopes=[{"label": label, "name": name} for name, label in scopes(sobject)],
    )
    return dict(sorted(out.items()))


def _fields(org: Org, user_id: str, sobject: SObject) -> list[dict[str, Any]]:
    """Fields the user may read; one they may only read is neither createable nor updateable for them."""
    out = []
    for field in sobject.fields.values():
        if not org.access.readable(user_id, sobject, field):
            continue
        data = field.describe()
        if (field.createable or field.updateable) and not org.access.editable(user_id, sobject, field):
            data["createable"] = data["updateable"] = False
        out.append(data)
    return out


def scopes(sobject: SObject) -> tuple[tuple[str, str], ...]:
    return sobject.scopes or (("everything", f"All {sobject.label_plural.lower()}"),)


def _children(org: Org, sobject: SObject) -> list[dict[str, Any]]:
    return [
        {
            "cascadeDelete": child.cascade_delete,
            "childSObject": child.sobject,
            "deprecatedAndHidden": False,
            "field": child.field,
            "junctionIdListNames": [],
            "junctionReferenceTo": [],
            "relationshipName": child.relationship_name,
            "restrictedDelete": child.restricted_delete,
        }
        for child in org.schema.children(sobject.name)
    ]


def _master(base: str) -> dict[str, Any]:
    return {
        "active": True,
        "available": True,
        "defaultRecordTypeMapping": True,
        "developerName": "Master",
        "master": True,
        "name": "Master",
        "recordTypeId": MASTER_RECORD_TYPE,
        "urls": {"layout": f"{base}/describe/layouts/{MASTER_RECORD_TYPE}"},
    }
