"""Doctor: everything that must be right before a sync can work, each as ok, warn or fail with its mend."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta

from connector import errors
from jobs import login_pause, overtaken, own_currency, payout_types, program_look, schema, task_statuses
from jobs.app import App
from jobs.decimals import NO_TARGET, without_target
from jobs.doctor_sharing import sharing
from jobs.findings import Finding
from jobs.refusals import Refused
from mappings.check import check, gather
from mappings.problems import Finder, MappingProblems
from mappings.task_status import check_closing, closing
from rebates.problems import InvalidProgram
from rebates.versions import folded
from state import invariants, meta, pausing, people
from state.errors import NoTables, StoreError
from state.store import Store
from state.urls import file_of

SKEW_LIMIT = timedelta(minutes=5)
FENCES = (
    "SELECT EntityDefinition.DeveloperName FROM ValidationRule WHERE Active = true"
    " AND ValidationName IN ('Refuse_Stale_Sequence', 'Rebate_Refuse_Stale_Sequence')"
)
"""Our own validation rules, as the package names them: on standings (and payouts), and on Account."""


def examine(app: App) -> list[Finding]:
    """All checks, in the order in which they build on each other; what cannot be checked says why."""
    findings = [
        Finding("configuration", "ok", ", ".join(map(str, app.configuration.files)) or "defaults only")
    ]
    findings += _guarded("store", lambda: _store(app))
    findings += _guarded("mapping", lambda: _mapping(app))
    findings += _guarded("programs", lambda: _programs(app))
    findings += _guarded("payouts", lambda: _payouts_without_target(app))
    findings += _guarded("login pause", lambda: _paused_login(app))
    login = list(_guarded("login", lambda: _login(app)))
    findings += login
    if all(one.level != "fail" for one in login):
        findings += _guarded("fields", lambda: _fields(app))
        findings += _guarded("currencies", lambda: _currencies(app))
        findings += _guarded("task statuses", lambda: _task_statuses(app))
        findings += _guarded("package", lambda: _package(app))
        findings += _guarded("rights", lambda: _rights(app))
        findings += _guarded("sharing", lambda: sharing(app, has_store=_store_if_any(app) is not None))
    elif any(one.check == "org" for one in login):
        findings.append(Finding("fields", "skip", "not looked at: this is another org than the store's"))
    else:
        findings.append(Finding("fields", "skip", "needs a login"))
    return findings


def _guarded(name: str, work: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """A check that cannot be made is a finding, not the end of the examination."""
    try:
        return list(work())
    except (StoreError, Refused, errors.SyncError) as error:
        return [Finding(name, "fail", str(error), error.hint)]
    except MappingProblems as error:
        return [Finding(name, "fail", f"{len(error.problems)} problems", "rebates mapping check")]
    except InvalidProgram as error:
        return [Finding(name, "fail", str(error), "rebates program check")]


def _store_if_any(app: App) -> Store | None:
    """None before the first sync: whoever only looks makes none."""
    if not app.has_store:
        return None
    try:
        return app.store
    except NoTables:
        return None


def _store(app: App) -> Iterator[Finding]:
    if _store_if_any(app) is None:
        yield _store_to_come(app)
        return
    damage = app.store.check()
    if damage:
        yield Finding("store", "fail", damage[0], "rebates db restore BACKUP")
        return
    with app.store.read() as tx:
        broken = invariants.check(tx)
        paused = pausing.reason(tx)
    yield Finding("store", "fail" if broken else "ok", str(broken[0]) if broken else app.store.where)
    if paused:
        yield Finding("paused", "warn", paused, "rebates resume")
    if (stop := overtaken.standing(app)) is not None:
        yield Finding("another store", "fail", str(stop), stop.hint)


def _store_to_come(app: App) -> Finding:
    """Where the first sync will make the store, and whether it may."""
    where = Store.attach(app.settings.state.url).where
    file = file_of(app.settings.state.url)
    if file is not None and not os.access(file.resolve().parent, os.W_OK):
        return Finding("store", "fail", f"nothing can be written beside {where}", "give this user the right")
    return Finding("store", "ok", f"none yet: the first `rebates sync` makes {where}")


def _mapping(app: App) -> Iterator[Finding]:
    yield Finding(
        "mapping",
        "ok",
        f"{app.mapping.file}: reads {len(app.mapping.pull)} objects, writes {len(app.mapping.push)} targets",
    )


def _programs(app: App) -> Iterator[Finding]:
    found = app.programs
    for warning in _told(app):
        yield Finding("programs", "warn", warning, "rebates program check")
    if not found.programs:
        yield Finding(
            "programs", "fail", f"{found.folder} holds no valid program", "rebates init writes an example"
        )
    else:
        yield Finding("programs", "ok", ", ".join(program.key for program in found.programs))
        yield from _beside_the_records(app)


def _beside_the_records(app: App) -> Iterator[Finding]:
    """What programs ask for and no record has: they are valid, and count or pay something else than was meant."""
    programs = folded(app.programs.programs)
    with suppress(StoreError):
        if (store := _store_if_any(app)) is None:
            said = program_look.unread(app, programs)
        else:
            with store.read() as tx:
                said = program_look.told(app, tx, programs, {program.key for program in programs})
        for line in said:
            yield Finding("programs", "warn", line, "rebates program check FILE --store")


def _payouts_without_target(app: App) -> Iterator[Finding]:
    if _store_if_any(app) is None:
        return
    with app.store.read() as tx:
        said = without_target(app, tx, counted=True)
    if said is not None:
        yield Finding("payouts", "warn", said, NO_TARGET)


def _told(app: App) -> list[str]:
    """Of broken program files, held against the texts in the store; a store in trouble tells of none."""
    with suppress(StoreError):
        if (store := _store_if_any(app)) is not None:
            with store.read() as tx:
                return app.invalid_programs(tx)
    return app.programs.told(())


def _paused_login(app: App) -> Iterator[Finding]:
    """Trying is how one finds out, so it is done during a pause, too; the person is told that it counts."""
    found = login_pause.noted(app)
    if found is not None:
        since, code = found
        yield Finding(
            "login pause", "warn", f"the org refused the login at {since:%H:%M:%S} UTC ({code}); this asks again all the same",
            "mend what `login` says before the next try: repeated failures lock the user out",
        )  # fmt: skip


def _login(app: App) -> Iterator[Finding]:
    try:
        org = app.org
    except errors.AuthenticationFailed as refused:
        with suppress(StoreError):  # what counts is the refusal; the store has a line of its own
            if (store := _store_if_any(app)) is not None:
                with store.transaction() as tx:
                    login_pause.note_refused(tx, refused, app.clock.now())
        raise
    known = None
    with suppress(StoreError):
        known = _known(app)  # a person mended it: nobody has to wait any longer
    yield Finding("login", "ok", f"{org.instance_url} org {org.org_id}, API {org.api_version}")
    skew = abs(org.server_time() - app.clock.now())
    if skew > SKEW_LIMIT:
        yield Finding(
            "clock",
            "warn",
            f"this machine is {timedelta(seconds=round(skew.total_seconds()))} away from the org",
            "set the clock; logins may be refused",
        )
    else:
        yield Finding("clock", "ok", f"{skew.total_seconds():.0f} s from the org's")
    if known is not None and known != org.org_id:
        yield Finding("org", "fail", f"the store belongs to {known}", "another [state] url for this org")


def _known(app: App) -> str | None:
    """The org of the store, which hears that the login works; None where there is no store yet."""
    store = _store_if_any(app)
    if store is None:
        return None
    with store.read() as tx:
        paused, known = login_pause.is_noted(tx), meta.org_id(tx)
    if paused:
        with store.transaction() as tx:
            login_pause.note_worked(tx)
    return known


def _fields(app: App) -> Iterator[Finding]:
    today = app.local_day()
    currencies = {program.key: program.currency for program in app.programs.programs if program.ends >= today}
    known = set[str]()
    with suppress(StoreError):
        if (store := _store_if_any(app)) is not None:
            with store.read() as tx:
                known = set(schema.fields_seen(tx))
    problems = check(
        app.mapping,
        gather(app.mapping, app.org.describe),
        currencies,
        known=known,
        unused=payout_types.unused(app.programs.programs),
    )
    for problem in problems:
        yield Finding(
            "fields",
            "fail" if problem.level == "error" else "warn",
            problem.message,
            problem.mend,
        )
    if not any(problem.level == "error" for problem in problems):
        yield Finding("fields", "ok", "everything that the mapping reads and writes is there and may be used")
    usage = app.org.usage
    if usage.org_max:
        share = app.configuration.org().api_budget_share
        yield Finding(
            "API calls", "ok", f"{usage.org_used:,} of {usage.org_max:,} used today; our share is {share:.0%}"
        )


def _currencies(app: App) -> Iterator[Finding]:
    """Amounts that the org shows in another currency than they are in, and those that are left out so that it does not."""
    if _store_if_any(app) is None:
        return
    with app.store.read() as tx:
        several = own_currency.noted(tx)
        apart = people.in_other_currencies(tx) if several.get("account") else []
    for program, currency, own, count in apart:
        are = f"{count:,} account{'s' if count != 1 else ''} of {program} ({currency}) {'are' if count != 1 else 'is'} in {own}"
        yield Finding(
            "account amounts", "warn", f"{are}: no amounts of it are written onto them, only onto the standing",
            f"nothing to do, if {own} is right; or set the currency of the account to {currency}",
        )  # fmt: skip
    for currency, shown, count in own_currency.payouts_shown_in_another(app) if "payout" in several else ():
        yield Finding(
            "payout currency", "warn", f"{count:,} payouts in {currency} are shown in {shown}: they were made before this "
            "program wrote the currency, and payouts are never written again",
            f"set CurrencyIsoCode of those with {currency} as Currency Code to {currency} (docs/mapping.md, Several currencies)",
        )  # fmt: skip


def _task_statuses(app: App) -> Iterator[Finding]:
    """A status that closes no task here would be taken all the same, and the reps would keep their tasks."""
    target = task_statuses.task_target(app)
    if target is None:
        return
    try:
        statuses = task_statuses.ask(app)
    except (errors.Misconfigured, errors.RowRefused) as refused:
        yield Finding(
            "task statuses", "warn", f"this user may not read TaskStatus ({refused.code}): tasks are closed with "
            f'"{closing(target, ())}", and whether that closes one here is not known',
            "let it read TaskStatus, or look in Setup > Object Manager > Task > Status, and name the closed one as "
            "closed_status in [push.task]",
        )  # fmt: skip
        return
    finder = Finder()
    check_closing(target, statuses, finder)
    for problem in finder.found:
        yield Finding("task statuses", "fail", problem.message, problem.mend)
    if not finder.found:
        yield Finding("task statuses", "ok", f'tasks are closed with "{closing(target, statuses)}"')


def _package(app: App) -> Iterator[Finding]:
    """The fence against stale writes lives in the org: without it the promise weakens, so say so."""
    try:
        rules = app.org.tooling_query(FENCES)
    except (errors.RowRefused, errors.Misconfigured) as refused:
        yield Finding(
            "fence", "warn", f"cannot be looked at by this user ({refused.code})",
            "give the permission View Setup and Configuration, or look in Setup > Rebate Standing > Validation Rules",
        )  # fmt: skip
        return
    fenced = {rule["EntityDefinition"]["DeveloperName"] for rule in rules}
    if "Rebate_Standing" in fenced:
        yield Finding("fence", "ok", "the org refuses standings that are older than what it has")
    else:
        yield Finding(
            "fence", "warn", "no validation rule against stale writes: two workers converge only at the nightly reconcile",
            "rebates org deploy",
        )  # fmt: skip
    account = app.written("account")
    if account is None:
        return
    if "Account" not in fenced:
        yield Finding(
            "account fence", "warn", "the package in the org is older than this program: it has no validation rule against "
            "stale account fields", "rebates org deploy",
        )  # fmt: skip
    elif account.fence is None:
        yield Finding(
            "account fence", "warn", "the mapping writes no sequence to accounts, so the org cannot refuse older values",
            'add Rebate_Seq__c = "standing.seq" to [push.account.fields]',
        )  # fmt: skip
    else:
        yield Finding("account fence", "ok", "the org refuses account fields that are older than what it has")


def _rights(app: App) -> Iterator[Finding]:
    """An integration user that may do everything is a key to everything."""
    user_id = getattr(app.org, "user_id", None)
    if user_id is None:
        return
    query = (
        "SELECT PermissionSet.Label, PermissionSet.PermissionsModifyAllData, PermissionSet.PermissionsViewAllData, "
        f"PermissionSet.PermissionsApiUserOnly FROM PermissionSetAssignment WHERE AssigneeId = '{user_id}'"
    )
    broad: dict[str, list[str]] = {}
    api_only = False
    try:
        for page in app.org.query(query):
            for row in page.table.to_pylist():
                api_only |= row["PermissionSet.PermissionsApiUserOnly"] == "true"
                for right, name in (("ModifyAllData", "Modify All Data"), ("ViewAllData", "View All Data")):
                    if row[f"PermissionSet.Permissions{right}"] == "true":
                        broad.setdefault(name, []).append(row["PermissionSet.Label"])
    except errors.Misconfigured as refused:
        yield Finding("rights", "skip", f"this user may not look at its own permission sets ({refused.code})")
        return
    for name, sets in broad.items():
        yield Finding(
            "rights", "warn", f"our user has {name}, through {', '.join(sorted(set(sets)))}",
            "take it away: Rebate_Sync_Integration grants all that a sync needs",
        )  # fmt: skip
    if not api_only:
        yield Finding(
            "rights", "warn", "our user may also log in with a browser",
            "give it the profile Minimum Access - API Only Integrations (or the permission Api Only User)",
        )  # fmt: skip
    if api_only and not broad:
        yield Finding("rights", "ok", "API only, neither View All Data nor Modify All Data")
