"""Gives an org its life: permissions, formulas, validation rules, and the metadata deployed to it before."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from emulator.formulas import Formulas, register
from emulator.permissions import Permissions
from emulator.validation_rules import ValidationRules

if TYPE_CHECKING:
    from emulator.org import Org


def attach(org: Org) -> None:
    """Called once, after an org was born or opened."""
    from emulator.faults import FaultPlan
    from emulator.metadata_kept import restore

    def time_zone() -> ZoneInfo:
        row = org.storage.row('SELECT "TimeZoneSidKey" FROM "Organization"')
        return ZoneInfo(str(row[0]) if row and row[0] else "UTC")

    org.storage.teach(register)
    rules = ValidationRules(time_zone)
    permissions = Permissions(org)
    org.formulas = Formulas(org.schema, org.now, time_zone)
    org.access = permissions
    org.faults = FaultPlan(org)
    org.validation_rules.append(rules.check)
    org.extensions["rules"] = rules
    org.storage.after_rollback.append(permissions.forget)
    restore(org)


def rules_of(org: Org) -> ValidationRules:
    found: ValidationRules = org.extensions["rules"]
    return found


def permissions_of(org: Org) -> Permissions:
    assert isinstance(org.access, Permissions)
    return org.access
