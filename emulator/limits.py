"""`/limits` and `/limits/recordCount`: what is left of the day's allowances, and rough row counts.

Source: REST API Developer Guide, "Limits", "Record Count"; Salesforce Developer Limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.router import Request, Response, json_response, route
from emulator.storage import quote

if TYPE_CHECKING:
    from emulator.org import Org

OTHER_LIMITS = {
    "ConcurrentAsyncGetReportInstances": 200,
    "ConcurrentSyncReportRuns": 20,
    "DailyAsyncApexExecutions": 250_000,
    "DailyBulkApiBatches": 15_000,
    "DailyBulkV2QueryFileStorageMB": 976_562,
    "DailyBulkV2QueryJobs": 10_000,
    "DailyGenericStreamingApiEvents": 10_000,
    "DailyWorkflowEmails": 1_000,
    "DataStorageMB": 10_240,
    "FileStorageMB": 10_240,
    "HourlyTimeBasedWorkflow": 1_000,
    "MassEmail": 5_000,
    "SingleEmail": 5_000,
}
BULK_USES = {"DailyBulkV2QueryJobs": "bulk.query_jobs", "DailyBulkApiBatches": "bulk.batches"}
"""Allowances other parts of the emulator use up; they count in `org.extensions` under these names."""


@route("GET", "/services/data/{version}/limits")
def limits(org: Org, request: Request) -> Response:
    used = org.usage.used(org.now_ms())
    listed = {
        "DailyApiRequests": {"Max": org.settings.api_max, "Remaining": max(0, org.settings.api_max - used)}
    }
    for name, most in OTHER_LIMITS.items():
        spent = int(org.extensions.get(BULK_USES.get(name, ""), 0))
        listed[name] = {"Max": most, "Remaining": max(0, most - spent)}
    return json_response(dict(sorted(listed.items())))


@route("GET", "/services/data/{version}/limits/recordcount", since=40)
def record_count(org: Org, request: Request) -> Response:
    """Counts of the objects asked for (all, when none is); unknown names are left out."""
    asked = request.param("sObjects")
    if asked:
        found = [org.schema.sobject(each.strip()) for each in asked.split(",")]
    else:
        found = [*org.schema]
    counts = []
    for sobject in found:
        if sobject is None or not org.access.allows(request.user_id, sobject, "read"):
            continue
        alive = 'WHERE NOT "IsDeleted"' if sobject.field("IsDeleted") else ""
        row = org.storage.row(f"SELECT count(*) FROM {quote(sobject.name)} {alive}")
        counts.append({"count": row[0] if row else 0, "name": sobject.name})
    return json_response({"sObjects": counts})
