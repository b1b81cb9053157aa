"""Deploy the Salesforce package, and give its permission set to the user that we log in as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import structlog

from connector import errors
from connector.package_zip import Component, build_package, build_removal, components
from connector.port import DeployProgress
from jobs.app import App
from jobs.refusals import Refused, Unusable
from mappings import soql

log = structlog.get_logger()

PERMISSION_SET = "Rebate_Sync_Integration"
BY_NAME = (
    f"`rebates org deploy --for USERNAME` gives {PERMISSION_SET} to the user that the service logs in as"
)
REGION = Component("CustomField", "Rebate_Standing__c.Region__c")
"""A formula that admins are asked to make their own: sent once, and then as the org has it."""
REGION_IS_THERE = "SELECT Id FROM CustomField WHERE DeveloperName = 'Region' AND EntityDefinition.DeveloperName = 'Rebate_Standing'"
MAY_BE_LEFT_OUT = {"dashboard": "Dashboard"}
"""What the rest of the package does without, as a person says it: an org has room for only a few dashboards that show each
viewer what they may see, or for none (Professional Edition)."""
NO_RIGHTS = "INSUFFICIENT_ACCESS"


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
    assigned_to: str | None = None  # username
    manual: str | None = None
    kept: tuple[str, ...] = ()  # components that stay as the org has them


class Assigned(NamedTuple):
    """What became of the permission set, for whom, and what a person still has to do."""

    state: str | None
    username: str | None
    manual: str | None


class User(NamedTuple):
    id: str
    name: str


def package_source() -> Path:
    """The folder of the package: beside the code when installed, in the checkout otherwise."""
    installed = Path(__file__).parents[1] / "connector" / "force-app"
    checkout = Path(__file__).parents[1] / "salesforce" / "force-app"
    for folder in (installed, checkout):
        if folder.is_dir():
            return folder
    raise Unusable("the Salesforce package is not installed with this program", "install rebate-sync again")


def deploy(
    app: App, *, check_only: bool = False, username: str | None = None, without: Sequence[str] = ()
) -> Deployed:
    """Send the package, wait for the org, report each refused component. Never deletes anything in the org.

    `username`: who gets the permission set of the service, where somebody else deploys. `without`: what stays at home."""
    if unknown := sorted(set(without) - MAY_BE_LEFT_OUT.keys()):
        raise Unusable(
            f"the package cannot do without {', '.join(unknown)}",
            f"--without takes: {', '.join(MAY_BE_LEFT_OUT)}",
        )
    source, kept = package_source(), _admins_own(app)
    at_home = {MAY_BE_LEFT_OUT[name] for name in without}
    leave_out = [*kept, *(one for one in components(source) if one.type in at_home)]
    package = build_package(source, app.configuration.org().api_version, leave_out=leave_out)
    last = _send(app, "deploy", package, check_only=check_only)
    done = Assigned(None, None, None) if check_only else _assign(app, username)
    names = tuple(one.name for one in kept)
    return Deployed(
        last.id,
        check_only,
        last.components,
        done.state,
        app.org.usage.calls,
        done.username,
        done.manual,
        names,
    )


def _admins_own(app: App) -> list[Component]:
    """What the org has already and an admin may have changed, as we asked."""
    try:
        return [REGION] if app.org.tooling_query(REGION_IS_THERE) else []
    except (errors.Misconfigured, errors.RowRefused) as refused:  # who may not look may hardly deploy
        log.warning("deploy.region_not_looked_at", code=refused.code)
        return []


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
        try:
            for last in app.org.deploy(package, check_only=check_only):
                step.total(last.components or None)
                step.advance(last.deployed - shown)
                shown = last.deployed
        except errors.Misconfigured as refused:
            if refused.code != NO_RIGHTS:
                raise
            raise errors.Misconfigured(
                refused.code,
                detail=refused.detail,
                hint="deploy with an administrator's login (a section [org.setup] of its own: `rebates --org setup org deploy --for "
                "USERNAME`), or give this user Modify Metadata Through Metadata API Functions for the set-up",
            ) from refused
    assert last is not None, "a deploy reports at least once"
    if not last.ok:
        listed = "".join(
            f"\n  - {file}: {component}: {problem}" for file, component, problem in last.failures
        )
        dashboards = all(file.startswith("dashboards/") for file, _, _ in last.failures)
        raise DeployFailed(
            f"the org refused {len(last.failures)} of {last.components} components; nothing was changed{listed}",
            "`rebates org deploy --without dashboard` deploys everything else: an org has room for few dynamic dashboards, or none"
            if dashboards and name == "deploy"
            else "mend what is named above; `rebates org deploy --check-only` tries without changing anything",
            deploy_id=last.id,
            failures=[{"file": f, "component": c, "problem": p} for f, c, p in last.failures],
        )
    return last


def _assign(app: App, username: str | None) -> Assigned:
    """The permission set for the integration user: the one that is named, or our own where it can be no other.

    An administrator who deploys is not the one who syncs: nobody else is ever given it without being named.
    """
    found = _ids(app, f"SELECT Id FROM PermissionSet WHERE Name = {soql.text(PERMISSION_SET)}")
    user = _user(app, username)
    if user is None and username is not None:
        return Assigned(None, None, f"this org has no active user {username}: {BY_NAME}")
    if user is None or not found:
        return Assigned(None, None, by_hand(username or "the integration user"))
    if username is None and not _may_only_use_the_api(app, user.id):
        return Assigned(
            None, None, f"{user.name} may log in with a browser, too, so it was not taken for the integration user: {BY_NAME}"
        )  # fmt: skip
    taken = f"SELECT Id FROM PermissionSetAssignment WHERE PermissionSetId = '{found[0]}' AND AssigneeId = '{user.id}'"
    if _ids(app, taken):
        return Assigned("already assigned", user.name, None)
    try:
        (result,) = app.org.create(
            "PermissionSetAssignment", [{"PermissionSetId": found[0], "AssigneeId": user.id}]
        )
    except errors.Misconfigured as refused:
        return Assigned(None, None, refused_for(user.name, f"{refused.code}: {refused.detail}"))
    if not result.ok:
        return Assigned(None, None, refused_for(user.name, f"{result.code}: {result.message}"))
    return Assigned("assigned", user.name, None)


def refused_for(username: str, said: str) -> str:
    """What the org said, and what is most often behind it."""
    return (
        f"{by_hand(username)}. The org refused it ({said}): a user with the license Salesforce Integration first needs the "
        "permission set license Salesforce API Integration (on the user's page: Permission Set License Assignments)"
    )


def by_hand(username: str) -> str:
    return f"assign the permission set {PERMISSION_SET} to {username} (Setup > Permission Sets > Manage Assignments)"


def _user(app: App, username: str | None) -> User | None:
    """The user with this name, or the one that we log in as."""
    own: str | None = getattr(app.org, "user_id", None)
    if username is not None:
        which = f"Username = {soql.text(username)}"
    elif own is not None:
        which = f"Id = {soql.record_id(own)}"
    else:
        return None
    for page in app.org.query(f"SELECT Id, Username FROM User WHERE IsActive = true AND {which}"):
        for row in page.table.to_pylist():
            return User(row["Id"], row["Username"])
    return None


def _may_only_use_the_api(app: App, user_id: str) -> bool:
    """By its profile or a permission set: both are assignments."""
    query = f"SELECT PermissionSet.PermissionsApiUserOnly FROM PermissionSetAssignment WHERE AssigneeId = '{user_id}'"
    return any(
        row["PermissionSet.PermissionsApiUserOnly"] == "true"
        for page in app.org.query(query)
        for row in page.table.to_pylist()
    )


def _ids(app: App, query: str) -> list[str]:
    return [value for page in app.org.query(query) for value in page.table.column("Id").to_pylist()]
