"""A new org's first records: the organization, a profile, an administrator, the standard price book.

An org kept in a file is born once; opening it again only brings its tables up to the schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator import multi_currency, task_statuses

if TYPE_CHECKING:
    from emulator.org import Org

ADMIN_USERNAME = "admin@acme.example"
INTEGRATION_USERNAME = "integration@acme.example"


def birth(org: Org) -> None:
    """Make the tables; on a new org also the records nothing works without."""
    with org.storage.transaction():
        for sobject in org.schema:
            org.storage.ensure_table(sobject)
        org.storage.execute(
            'CREATE TABLE IF NOT EXISTS _deleted (sobject TEXT, "Id" TEXT, ms INTEGER, PRIMARY KEY (sobject, "Id"))'
        )
        if org.storage.row('SELECT 1 FROM "Organization"') is None:
            _first_records(org)
        multi_currency.restore(org)
        task_statuses.restore(org)


def _first_records(org: Org) -> None:
    stamp = org.stamp()
    admin = org.ids.next("005")
    audit = {"CreatedById": admin, "CreatedDate": stamp, "SystemModstamp": stamp}
    changed = {"LastModifiedById": admin, "LastModifiedDate": stamp}
    profile = org.ids.next("00e")
    _put(org, "Profile", Id=profile, Name="System Administrator", UserType="Standard", **audit, **changed)
    api_only = org.ids.next("00e")
    _put(org, "Profile", Id=api_only, Name="Minimum Access - API Only Integrations", **audit, **changed)
    _user(org, admin, "Ada", "Admin", ADMIN_USERNAME, profile, audit | changed)
    _user(org, org.ids.next("005"), "Rebate", "Sync", INTEGRATION_USERNAME, api_only, audit | changed)
    _put(
        org, "Organization", Id=org.ids.next("00D"), Name="Acme", Country="US", OrganizationType="Developer Edition",
        InstanceName="LOCAL", IsSandbox=1, IsReadOnly=0, FiscalYearStartMonth=1, TimeZoneSidKey="America/New_York",
        DefaultLocaleSidKey="en_US", LanguageLocaleKey="en_US", DefaultCurrencyIsoCode="USD",
        UsesStartDateAsFiscalYearName=0, **audit, **changed,
    )  # fmt: skip
    _put(
        org, "Pricebook2", Id=org.ids.next("01s"), Name="Standard Price Book", IsActive=1, IsStandard=1,
        IsArchived=0, IsDeleted=0, **audit, **changed,
    )  # fmt: skip


def _user(
    org: Org, record_id: str, first: str, last: str, username: str, profile: str, audit: dict[str, Any]
) -> None:
    _put(
        org, "User", Id=record_id, Username=username, FirstName=first, LastName=last, Name=f"{first} {last}",
        Email=username, Alias=(first[:1] + last)[:8].lower(), CommunityNickname=username.split("@")[0],
        IsActive=1, ProfileId=profile, UserType="Standard", TimeZoneSidKey="America/New_York",
        LocaleSidKey="en_US", LanguageLocaleKey="en_US", EmailEncodingKey="UTF-8", DigestFrequency="D",
        DefaultGroupNotificationFrequency="N", **audit,
    )  # fmt: skip


def _put(org: Org, name: str, **values: Any) -> None:
    sobject = org.schema.require(name)
    for each in sobject.stored_fields():
        if each.type == "boolean":
            values.setdefault(each.name, int(bool(each.default_value)))
    org.storage.load(name, list(values), [list(values.values())])
