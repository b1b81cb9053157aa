"""The Tooling API as far as admins' scripts use it here: metadata as rows, and making one field.

Sources: Tooling API Developer Guide, "CustomField", "CustomObject", "ValidationRule", "EntityDefinition",
"FieldDefinition". `Metadata` and `FullName` may be selected only when the query returns one row.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emulator.errors import ApiError
from emulator.life import permissions_of
from emulator.metadata_deploy import deploy
from emulator.metadata_read import Component, Package
from emulator.router import Request, Response, json_response, route
from emulator.tooling_rows import Row, table
from emulator.xml_tree import Element

if TYPE_CHECKING:
    from emulator.org import Org

SELECT = re.compile(
    r"\s*SELECT\s+(?P<fields>.+?)\s+FROM\s+(?P<object>\w+)(?:\s+WHERE\s+(?P<where>.+?))?"
    r"(?:\s+ORDER\s+BY\s+(?P<order>[\w.]+)(?P<down>\s+DESC)?(?:\s+ASC)?)?(?:\s+LIMIT\s+(?P<limit>\d+))?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
TERM = re.compile(
    r"(?P<path>[\w.]+)\s*(?P<op>=|!=|<>|\bLIKE\b|\bNOT\s+IN\b|\bIN\b)\s*"
    r"(?P<value>'(?:\\.|[^'\\])*'|\([^)]*\)|\w+)\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
ONE_ROW_ONLY = ("metadata", "fullname")


@route("GET", "/services/data/{version}/tooling/query")
def query(org: Org, request: Request) -> Response:
    text = request.param("q") or ""
    if not text.strip():
        raise ApiError(400, "MALFORMED_QUERY", "A query string has to be specified")
    found = SELECT.match(text)
    if found is None:
        raise ApiError(400, "MALFORMED_QUERY", f"unexpected token: '{text.split()[0]}'")
    _may_look(org, request.user_id, found["object"])
    rows = [row for row in table(org, found["object"]) if _matches(row, found["where"])]
    if found["order"]:
        rows.sort(key=lambda row: str(_value(row, found["order"])), reverse=bool(found["down"]))
    if found["limit"]:
        rows = rows[: int(found["limit"])]
    names = [name.strip() for name in found["fields"].split(",")]
    if any(name.lower() in ONE_ROW_ONLY for name in names) and len(rows) > 1:
        message = (
            "When retrieving results with Metadata or FullName fields, the query qualifications "
            "must specify no more than one row for retrieval."
        )
        raise ApiError(400, "MALFORMED_QUERY", f"{message} Result size: {len(rows)}")
    kind = found["object"]
    records = [_record(kind, row, names, request.version) for row in rows]
    return json_response(
        {"size": len(records), "totalSize": len(records), "done": True, "queryLocator": None,
         "entityTypeName": kind, "records": records}
    )  # fmt: skip


def _may_look(org: Org, user_id: str, name: str) -> None:
    """Metadata is for those who may view setup; to others its objects are not there. Assumed: the refusal's code."""
    access = permissions_of(org)
    if not any(access.has(user_id, each) for each in ("ViewSetup", "CustomizeApplication", "ModifyMetadata")):
        raise ApiError(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")


@route("POST", "/services/data/{version}/tooling/sobjects/CustomField")
def create_field(org: Org, request: Request) -> Response:
    """`{"FullName": "Account.X__c", "Metadata": {…}}`: one field, by the rules of a deploy; no one sees it yet."""
    access = permissions_of(org)
    if not (
        access.has(request.user_id, "CustomizeApplication") or access.has(request.user_id, "ModifyMetadata")
    ):
        raise ApiError(403, "INSUFFICIENT_ACCESS", "insufficient access rights on entity: CustomField")
    sent = request.json()
    if (
        not isinstance(sent, dict)
        or not isinstance(sent.get("Metadata"), dict)
        or "." not in str(sent.get("FullName"))
    ):
        raise ApiError(400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [FullName, Metadata]", ())
    name = str(sent["FullName"])
    if org.storage.kept("metadata", f"CustomField:{name}") is not None:
        problem = f"There is already a field named {name.partition('.')[2]} on {name.partition('.')[0]}."
        raise ApiError(400, "DUPLICATE_DEVELOPER_NAME", problem, ())
    body = element("CustomField", sent["Metadata"])
    outcome = deploy(org, Package([Component("CustomField", name, "CustomField", body)]), request.user_id)
    if outcome.problems:
        raise ApiError(400, "FIELD_INTEGRITY_EXCEPTION", outcome.problems[0].problem, ())
    reply = {"id": outcome.done[0].id, "success": True, "errors": [], "warnings": [], "infos": []}
    return json_response(reply, 201)


def element(tag: str, data: Any) -> Element:
    """Metadata as JSON, turned into the XML it stands for."""
    made = Element(tag, 1, 1)
    if isinstance(data, dict):
        for key, value in data.items():
            for each in value if isinstance(value, list) else [value]:
                if each is not None:
                    made.children.append(element(key, each))
    else:
        made.text = str(data).lower() if isinstance(data, bool) else str(data)
    return made


# -- conditions ----------------------------------------------------------------------------------------------


def _value(row: Row, path: str) -> Any:
    value: Any = row
    for step in path.split("."):
        known = {key.lower(): key for key in value} if isinstance(value, dict) else {}
        if step.lower() not in known:
            raise ApiError(400, "INVALID_FIELD", f"No such column '{path}' on entity")
        value = value[known[step.lower()]]
    return value


def _matches(row: Row, where: str | None) -> bool:
    if not where:
        return True
    return all(_term(row, term) for term in re.split(r"\s+AND\s+", where, flags=re.IGNORECASE))


def _term(row: Row, text: str) -> bool:
    found = TERM.match(text.strip())
    if found is None:
        raise ApiError(400, "MALFORMED_QUERY", f"unexpected token: {text.strip()}")
    have, op = _value(row, found["path"]), " ".join(found["op"].upper().split())
    listed = found["value"]
    wanted = [_literal(each) for each in re.findall(r"'(?:\\.|[^'\\])*'|[^\s,()]+", listed)]
    if op == "LIKE":
        form = re.escape(str(wanted[0])).replace("%", ".*").replace("_", ".")
        return re.fullmatch(form, str(have or ""), re.IGNORECASE) is not None
    same = any(_folded(have) == _folded(each) for each in wanted)
    return same if op in ("=", "IN") else not same


def _literal(text: str) -> Any:
    if text.startswith("'"):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return {"true": True, "false": False, "null": None}.get(text.lower(), text)


def _folded(value: Any) -> Any:
    """Text compares without case; ids in their 15 characters."""
    if not isinstance(value, str):
        return value
    return value[:15].lower() if re.fullmatch(r"\w{18}", value) else value.lower()


def _record(kind: str, row: Row, names: list[str], version: str) -> Row:
    address = f"/services/data/v{version}/tooling/sobjects/{kind}/{row.get('Id') or row.get('DurableId')}"
    out: Row = {"attributes": {"type": kind, "url": address}}
    for name in names:
        head, *rest = name.split(".")
        value = _value(row, name)
        if rest:
            out.setdefault(head, {"attributes": {"type": head}})[".".join(rest)] = value
        else:
            out[head] = value
    return out
