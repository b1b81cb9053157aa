"""An org with an external id on Account, for clients that were written against the real thing."""

from __future__ import annotations

import pytest

from emulator.org import OpenAccess, Org
from emulator.schema import make_field


@pytest.fixture
def judged(org: Org) -> Org:
    org.access = OpenAccess()
    org.add_field(
        "Account",
        make_field(
            {
                "name": "Erp_Key__c",
                "type": "string",
                "label": "ERP key",
                "length": 40,
                "externalId": True,
                "unique": True,
                "idLookup": True,
                "custom": True,
            }
        ),
    )
    return org
