"""Deploying the metadata package over REST, and watching it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata

from connector.errors import Ambiguous, Misconfigured, StillRunning, Transient
from connector.facade import OrgApi
from connector.polling import waits
from connector.port import Clock, DeployProgress
from connector.replies import Call
from connector.retry import Safety
from connector.session import decoded

_PATH = "metadata/deployRequest"


def deploy(
    api: OrgApi, package: bytes, *, check_only: bool, clock: Clock, rng: random.Random, seconds: float
) -> Iterator[DeployProgress]:
    """Starts the deploy of a zip and yields a look at it until it is done, the last one with its failures.

    All or nothing (`rollbackOnError`). Raises StillRunning with the deploy's id when `seconds` have passed,
    Misconfigured when the org refuses the package as a whole.
    """
    options = {
        "checkOnly": check_only,
        "rollbackOnError": True,
        "singlePackage": True,
        "ignoreWarnings": True,
        "allowMissingFiles": False,
        # No testLevel: the org decides. A production org refuses NoTestRun, and runs no tests for a package
        # without Apex; any other level would run the tests of the org's own code.
    }
    content, content_type = encode_multipart_formdata(
        [
            _json_part({"deployOptions": options}),
            ("file", ("package.zip", package, "application/zip")),
        ],
        boundary="rebate-sync-package-7d1f0c",
    )
    # A second deploy of the same package ends in the same state.
    call = Call("deploy", Safety.KEYED, "metadata")
    reply = decoded(
        api._call_salesforce(
            "POST", api.base_url + _PATH, call=call, data=content, headers={"Content-Type": content_type}
        )
    )
    deploy_id = reply.get("id") if isinstance(reply, dict) else None
    if not isinstance(deploy_id, str) or not deploy_id.isalnum():
        raise Ambiguous("NOT_AN_ANSWER", sobject="metadata")
    until = clock.monotonic() + seconds
    for wait in waits(rng):
        progress = _look(api, deploy_id)
        yield progress
        if progress.done:
            return
        if clock.monotonic() + wait > until:
            raise StillRunning("DEPLOY_DEADLINE", job_id=deploy_id, sobject="metadata")
        clock.sleep(wait)


def _json_part(value: object) -> RequestField:
    field = RequestField("json", json.dumps(value))
    field.make_multipart(content_type="application/json")
    return field


def _look(api: OrgApi, deploy_id: str) -> DeployProgress:
    path = f"{_PATH}/{deploy_id}?includeDetails=true"
    reply = api.send("GET", path, None, Call("deploy", sobject="metadata"))
    result = reply.get("deployResult") if isinstance(reply, dict) else None
    if not isinstance(result, dict):
        raise Transient("NOT_AN_ANSWER", sobject="metadata")
    done = result.get("done") is True
    ok = result.get("success") is True
    failures = _failures(result.get("details"))
    if done and not ok and not failures:
        status, stated = str(result.get("status")), result.get("errorStatusCode")
        if status in {"Canceled", "Canceling"}:
            raise Misconfigured("DEPLOY_CANCELED", sobject="metadata", hint="Somebody canceled it in Setup.")
        failures = (("package", "", str(stated or result.get("errorMessage") or status)),)
    return DeployProgress(
        id=deploy_id,
        done=done,
        ok=ok,
        components=int(result.get("numberComponentsTotal") or 0),
        deployed=int(result.get("numberComponentsDeployed") or 0),
        failures=failures,
    )


def _failures(details: Any) -> tuple[tuple[str, str, str], ...]:
    """`(file, component, problem)` of each failed component; the API gives one as an object, several as a list."""
    found = (details or {}).get("componentFailures") or []
    items = found if isinstance(found, list) else [found]
    return tuple(
        (str(item.get("fileName") or ""), str(item.get("fullName") or ""), str(item.get("problem") or ""))
        for item in items
        if isinstance(item, dict)
    )
