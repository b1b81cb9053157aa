"""Metadata deploy over REST. Source: Metadata API Developer Guide, "Deploying with REST".

A deploy is Pending when made, InProgress at the first look, done at the second: a client that does not poll, or
that takes the first reply for the last, is found out.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from emulator import jsontext
from emulator.errors import ApiError
from emulator.life import permissions_of
from emulator.metadata_deploy import deploy
from emulator.metadata_outcome import Done, Outcome
from emulator.metadata_read import NotAPackage, Package, Problem, read_zip
from emulator.raw_rows import by_id
from emulator.router import Request, Response, json_response, route
from emulator.wire import datetime_text

if TYPE_CHECKING:
    from emulator.org import Org

TERMINAL = frozenset(("Succeeded", "SucceededPartial", "Failed", "Canceled"))
DEFAULTS: dict[str, Any] = {
    "allowMissingFiles": False, "autoUpdatePackage": False, "checkOnly": False, "ignoreWarnings": False,
    "performRetrieve": False, "purgeOnDelete": False, "rollbackOnError": False, "runTests": None,
    "singlePackage": True, "testLevel": None,
}  # fmt: skip


@dataclass
class Deployment:
    id: str
    user_id: str
    options: dict[str, Any]
    data: bytes
    created: int
    state: str = "Pending"
    outcome: Outcome = field(default_factory=Outcome)
    error: str | None = None
    started: int | None = None
    completed: int | None = None


def deployments(org: Org) -> dict[str, Deployment]:
    """All deploys by id; an org kept in a file knows those from before a restart."""
    if "deployments" not in org.extensions:
        org.extensions["deployments"] = {
            key: _restored(each) for key, each in org.storage.kept_all("deployments").items()
        }
    found: dict[str, Deployment] = org.extensions["deployments"]
    return found


def _restored(kept: dict[str, Any]) -> Deployment:
    outcome = Outcome(
        [Done(**each) for each in kept["outcome"]["done"]],
        [Problem(**each) for each in kept["outcome"]["problems"]],
        kept["outcome"]["applied"],
    )
    return Deployment(**(kept | {"data": b64decode(kept["data"]), "outcome": outcome}))


def _keep(org: Org, made: Deployment) -> None:
    """Written down where it can be found again; an org in memory has no again."""
    if org.storage.persistent:
        kept = asdict(made) | {"data": b64encode(made.data).decode()}
        org.storage.keep("deployments", made.id, kept)


@route("POST", "/services/data/{version}/metadata/deployRequest")
def start(org: Org, request: Request) -> Response:
    _may_deploy(org, request.user_id)
    options, data = _parts(request)
    if options["testLevel"] == "NoTestRun" and _is_production(org):
        message = "testLevel of NoTestRun cannot be used in production organizations"
        raise ApiError(400, "INVALID_OPERATION", message)
    made = Deployment(org.ids.next("0Af"), request.user_id, options, data, org.stamp())
    with org.storage.transaction():  # the id counter is kept
        deployments(org)[made.id] = made
        _keep(org, made)
    body = {"validatedDeployRequestId": None, "id": made.id, "deployOptions": options, "deployResult": None}
    return json_response(body | {"url": _url(request, made)}, 201)


@route("GET", "/services/data/{version}/metadata/deployRequest/{id}")
def look(org: Org, request: Request, id: str) -> Response:
    found = _find(org, id)
    with org.lock:  # two polls at once must not both run it
        _advance(org, found)
    details = (request.param("includeDetails") or "").lower() == "true"
    body = {"id": found.id, "validatedDeployRequestId": None, "deployOptions": found.options}
    body |= {"url": _url(request, found), "deployResult": result(org, found, details=details)}
    return json_response(body)


@route("PATCH", "/services/data/{version}/metadata/deployRequest/{id}")
def cancel(org: Org, request: Request, id: str) -> Response:
    found = _find(org, id)
    wanted = request.json()
    status = (wanted.get("deployResult") or {}).get("status") if isinstance(wanted, dict) else None
    if status != "Canceling":
        raise ApiError(400, "INVALID_INPUT", "deployResult.status must be Canceling")
    if found.state in TERMINAL:
        raise ApiError(400, "INVALID_ID_FIELD", f"Deployment already completed: {found.id}")
    found.state = "Canceling"
    _keep(org, found)
    return json_response({"id": found.id, "deployResult": result(org, found, details=False)}, 202)


def _may_deploy(org: Org, user_id: str) -> None:
    access = permissions_of(org)
    if not (access.has(user_id, "ModifyMetadata") or access.has(user_id, "ModifyAllData")):
        message = (
            "use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions"
        )
        raise ApiError(403, "INSUFFICIENT_ACCESS", message)


def _is_production(org: Org) -> bool:
    """Neither a sandbox (or scratch org) nor a Developer Edition nor a trial. Source: Metadata API Developer Guide,
    "Running Tests in a Deployment" and `testLevel` of `deploy()`."""
    company = by_id(org, "Organization", org.id) or {}
    developing = company.get("IsSandbox") or company.get("OrganizationType") == "Developer Edition"
    return not developing and company.get("TrialExpirationDate") is None


def _url(request: Request, made: Deployment) -> str:
    return f"{request.base_url}/services/data/v{request.version}/metadata/deployRequest/{made.id}"


def _find(org: Org, record_id: str) -> Deployment:
    found = next((each for each in deployments(org).values() if each.id[:15] == record_id[:15]), None)
    if found is None:
        raise ApiError(404, "INVALID_ID_FIELD", f"no deploy with the id {record_id}")
    return found


def _parts(request: Request) -> tuple[dict[str, Any], bytes]:
    """The two parts of the request: `json` with deployOptions, `file` with the zip."""
    kind = request.headers.get("content-type", "")
    boundary = re.search(r'boundary="?([^";]+)"?', kind)
    if not kind.lower().startswith("multipart/form-data") or not boundary:
        raise ApiError(
            415, "UNSUPPORTED_MEDIA_TYPE", "a deploy request is multipart/form-data with json and file"
        )
    parts: dict[str, bytes] = {}
    for raw in (b"\r\n" + request.body).split(b"\r\n--" + boundary[1].encode())[1:]:
        head, _, body = raw.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name:
            parts[name[1].decode()] = body
    if "json" not in parts or "file" not in parts:
        missing = "json" if "json" not in parts else "file"
        raise ApiError(400, "MISSING_ARGUMENT", f"The multipart request has no part named '{missing}'")
    sent = jsontext.loads(parts["json"])
    options = sent.get("deployOptions") if isinstance(sent, dict) else None
    if not isinstance(options, dict):
        raise ApiError(400, "JSON_PARSER_ERROR", "deployOptions is missing at [line:1, column:1]")
    unknown = sorted(options.keys() - DEFAULTS.keys() - {"runAllTests", "type"})
    if unknown:
        raise ApiError(400, "JSON_PARSER_ERROR", f'Unrecognized field "{unknown[0]}" at [line:1, column:1]')
    return {**DEFAULTS, **options}, parts["file"]


def _advance(org: Org, found: Deployment) -> None:
    if found.state == "Pending":
        found.state, found.started = "InProgress", org.now_ms()
    elif found.state == "Canceling":
        found.state, found.completed = "Canceled", org.now_ms()
    elif found.state == "InProgress":
        _run(org, found)
    else:
        return
    _keep(org, found)


def _run(org: Org, found: Deployment) -> None:
    try:
        package: Package = read_zip(found.data)
    except NotAPackage as error:
        found.error = str(error)
        found.outcome.problems.append(Problem("package.xml", "", "package.xml", str(error)))
    else:
        found.outcome = deploy(
            org, package, found.user_id,
            check_only=bool(found.options["checkOnly"]), rollback_on_error=bool(found.options["rollbackOnError"]),
        )  # fmt: skip
    errors = [each for each in found.outcome.problems if each.kind == "Error"]
    found.state = found.outcome.status if errors else "Succeeded"
    found.completed, found.data = org.now_ms(), b""


def result(org: Org, found: Deployment, *, details: bool) -> dict[str, Any]:
    """A DeployResult as REST writes it."""
    user = by_id(org, "User", found.user_id) or {}
    outcome = found.outcome
    errors = [each for each in outcome.problems if each.kind == "Error"]
    ended = found.state in TERMINAL
    out: dict[str, Any] = {
        "checkOnly": found.options["checkOnly"],
        "ignoreWarnings": found.options["ignoreWarnings"],
        "rollbackOnError": found.options["rollbackOnError"],
        "status": found.state,
        "numberComponentsDeployed": len(outcome.done),
        "numberComponentsTotal": len(outcome.done) + len(errors),
        "numberComponentErrors": len(errors),
        "numberTestsCompleted": 0,
        "numberTestsTotal": 0,
        "numberTestErrors": 0,
        "runTestsEnabled": False,
        "completedDate": _time(found.completed),
        "createdBy": found.user_id,
        "createdByName": user.get("Name"),
        "createdDate": _time(found.created),
        "startDate": _time(found.started),
        "lastModifiedDate": _time(found.completed or found.started or found.created),
        "done": ended,
        "success": found.state == "Succeeded",
        "errorMessage": found.error,
        "errorStatusCode": "INVALID_FILE" if found.error else None,
        "stateDetail": None,
        "id": found.id,
    }
    if details:
        out["details"] = {
            "componentSuccesses": [_success(each, found) for each in outcome.done] if ended else [],
            "componentFailures": [_failure(each, found) for each in outcome.problems],
            "runTestResult": {
                "numTestsRun": 0,
                "numFailures": 0,
                "successes": [],
                "failures": [],
                "totalTime": 0,
            },
            "retrieveResult": None,
        }
    return out


def _time(ms: int | None) -> str | None:
    return None if ms is None else datetime_text(ms)


def _success(done: Done, found: Deployment) -> dict[str, Any]:
    return {
        "changed": done.changed, "columnNumber": None, "componentType": done.type, "created": done.created,
        "createdDate": _time(found.completed), "deleted": done.deleted, "fileName": done.file,
        "fullName": done.full_name, "id": done.id, "lineNumber": None, "problem": None, "problemType": None,
        "success": True, "warning": False, "requiresProductionTestRun": False,
    }  # fmt: skip


def _failure(problem: Problem, found: Deployment) -> dict[str, Any]:
    return {
        "changed": False, "columnNumber": problem.column or None, "componentType": problem.type,
        "created": False, "createdDate": _time(found.completed), "deleted": False, "fileName": problem.file,
        "fullName": problem.full_name, "id": None, "lineNumber": problem.line or None,
        "problem": problem.problem, "problemType": problem.kind, "success": problem.kind == "Warning",
        "warning": problem.kind == "Warning", "requiresProductionTestRun": False,
    }  # fmt: skip


def multipart(package: bytes, options: dict[str, Any]) -> tuple[bytes, str]:
    """A deploy request's body and content type, for tests and the seeds that deploy in process."""
    boundary = "----------emulator-deploy"
    head = json.dumps({"deployOptions": options}).encode()
    line = f"--{boundary}\r\n".encode()
    body = (
        line + b'Content-Disposition: form-data; name="json"\r\nContent-Type: application/json\r\n\r\n' + head
        + b"\r\n" + line
        + b'Content-Disposition: form-data; name="file"; filename="deploy.zip"\r\nContent-Type: application/zip\r\n\r\n'
        + package + f"\r\n--{boundary}--\r\n".encode()
    )  # fmt: skip
    return body, f"multipart/form-data; boundary={boundary}"
