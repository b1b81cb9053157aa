"""Deploy the Salesforce package, and give its permission set to the user that we log in as."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from connector import errors
from connector.package_zip import build_package, build_removal, components
from connector.port import DeployProgress
from jobs.app import App
from jobs.refusals import Refused, Unusable

PERMISSION_SET = "Rebate_Sync_Integration"


class DeployFailed(Refused):
    """The org refused the package; `details` names each component and its problem."""

    code = "deploy_failed"


@dataclass(frozen=True)
class Deployed:
    """What became of a deploy; `manual` is what a person still has to do."""

    id: str
    check_only: bool
    components: int
    permission_set: str | None  # assigned | already assigned | None
    api_calls: int
    manual: str | None = None


def package_source() -> Path:
    """The folder of the package: beside the code when installed, in the checkout otherwise."""
    installed = Path(__file__).parents[1] / "connector" / "force-app"
    checkout = Path(__file__).parents[1] / "salesforce" / "force-app"
    for folder in (installed, checkout):
        if folder.is_dir():
            return folder
    raise Unusable("the Salesforce package is not installed with this program", "install rebate-sync again")


def deploy(app: App, *, check_only: bool = False) -> Deployed:
    """Send the package, wait for the org, report each refused component. Never deletes anything in the org."""
    package = build_package(package_source(), app.configuration.org().api_version)
    last = _send(app, "deploy", package, check_only=check_only)
    state, manual = (None, None) if check_only else _assign(app)
    return Deployed(last.id, check_only, last.components, state, app.org.usage.calls, manual)


@dataclass(frozen=True)
class Removal:
    """What an undeploy takes: components by type, and the records that go with our objects."""

    id: str
    check_only: bool
    components: dict[str, list[str]]
    records: dict[str, int]
    api_calls: int


def undeploy(app: App, *, check_only: bool) -> Removal:
    """Take the package out of the org again; `check_only` lets the org say whether it could and changes nothing."""
    source = package_source()
    named: dict[str, list[str]] = {}
    for component in components(source):
        named.setdefault(component.type, []).append(component.name)
    records = {name: _count(app, name) for name in named.get("CustomObject", ()) if name.endswith("__c")}
    removal = build_removal(source, app.configuration.org().api_version)
    last = _send(app, "undeploy", removal, check_only=check_only)
    return Removal(last.id, check_only, named, records, app.org.usage.calls)


def _count(app: App, object_name: str) -> int:
    try:
        return sum(
            1 for page in app.org.query(f"SELECT Id FROM {object_name}") for _ in range(page.table.num_rows)
        )
    except errors.Misconfigured:  # not there: nothing would be lost
        return 0


def _send(app: App, name: str, package: bytes, *, check_only: bool) -> DeployProgress:
    """One deploy to its end; raises DeployFailed with each refused component."""
    last: DeployProgress | None = None
    with app.progress.step(name) as step:
        shown = 0
        for last in app.org.deploy(package, check_only=check_only):
            step.total(last.components or None)
            step.advance(last.deployed - shown)
            shown = last.deployed
    assert last is not None, "a deploy reports at least once"
    if not last.ok:
        listed = "".join(
            f"\n  - {file}: {component}: {problem}" for file, component, problem in last.failures
        )
        raise DeployFailed(
            f"the org refused {len(last.failures)} of {last.components} components; nothing was changed{listed}",
            "mend what is named above; `rebates org deploy --check-only` tries without changing anything",
            deploy_id=last.id,
            failures=[{"file": f, "component": c, "problem": p} for f, c, p in last.failures],
        )
    return last


def _assign(app: App) -> tuple[str | None, str | None]:
    """The permission set for our own user; an org may reserve this to an administrator, who is then told."""
    username = app.configuration.org().username
    by_hand = (
        f"assign the permission set {PERMISSION_SET} to {username or 'the integration user'} "
        "(Setup > Permission Sets > Manage Assignments)"
    )
    user_id = getattr(app.org, "user_id", None)
    if user_id is None:
        return None, by_hand
    found = _ids(app, f"SELECT Id FROM PermissionSet WHERE Name = '{PERMISSION_SET}'")
    if not found:
        return None, by_hand
    query = f"SELECT Id FROM PermissionSetAssignment WHERE PermissionSetId = '{found[0]}' AND AssigneeId = '{user_id}'"
    if _ids(app, query):
        return "already assigned", None
    try:
        (result,) = app.org.create(
            "PermissionSetAssignment", [{"PermissionSetId": found[0], "AssigneeId": user_id}]
        )
    except errors.Misconfigured:
        return None, by_hand
    if not result.ok:
        return None, by_hand
    return "assigned", None


def _ids(app: App, query: str) -> list[str]:
    return [value for page in app.org.query(query) for value in page.table.column("Id").to_pylist()]
