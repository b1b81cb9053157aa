"""The numbers that Salesforce fixes and those that we chose, each with its unit and its reason."""

from __future__ import annotations

from typing import Final

# --- requests ------------------------------------------------------------------------------------------
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 60.0  # between two bytes, of calls that the org answers at once
QUERY_SECONDS: Final = 150.0  # the org itself ends a query after 120 s: its QUERY_TIMEOUT must reach us
COMPOSITE_SECONDS: Final = (
    630.0  # the org itself ends a request after 10 minutes; its parts run one after the other
)
CALL_SECONDS: Final = (
    120.0  # one request with its body, all attempts together; one long attempt may take longer
)
SLOW_SECONDS: Final = (
    20.0  # what the org calls long-running: cut off later than this, a write is not repeated at once
)
LAST_WAIT_SECONDS: Final = 15.0  # for the answer of a write, once we were asked to stop
ATTEMPTS: Final = 5  # of one call, first one included
FIRST_WAIT_SECONDS: Final = 0.5  # upper bound of the first wait; doubles, full jitter
LONGEST_WAIT_SECONDS: Final = 20.0
RETRY_AFTER_LIMIT_SECONDS: Final = 60.0  # a longer Retry-After ends the call: the run parks instead
URI_BYTES: Final = 16_000  # Salesforce answers 414 above 16,384 bytes of URI; the host counts too
JSON_BYTES: Final = 128 * 1024 * 1024  # a larger JSON body is not a reply of this API
CHUNK_BYTES: Final = 1024 * 1024  # downloads: 1 MiB chunks measured five times as fast as 1 KiB

# --- one call carries ----------------------------------------------------------------------------------
QUERY_PAGE_ROWS: Final = 2_000  # REST query page, the maximum
COMPOSITE_PARTS: Final = 25  # subrequests of one composite call
COMPOSITE_QUERIES: Final = 5  # of them queries or collections
COLLECTION_ROWS: Final = 200  # records of one collection
COMPOSITE_ROWS: Final = COLLECTION_ROWS * COMPOSITE_QUERIES
NOTIFY_RECIPIENTS: Final = 500
NOTIFY_TITLE_CHARS: Final = 250
NOTIFY_BODY_CHARS: Final = 750
JSON_NUMBER_DIGITS: Final = 15  # the API reads JSON numbers as doubles; 15 significant digits survive one

# --- Bulk API 2.0 --------------------------------------------------------------------------------------
BULK_PAGE_ROWS: Final = 50_000  # maxRecords: a page is verified in memory before it is handed on
BULK_JOB_ROWS: Final = 50_000  # records of one ingest job: they and their results are in memory at once
BULK_UPLOAD_BYTES: Final = 100_000_000  # raw CSV of one job (150 MB as base64)
BULK_FIRST_POLL_SECONDS: Final = 0.15  # small jobs are often done at once
BULK_POLL_GROWTH: Final = 1.6
BULK_LONGEST_POLL_SECONDS: Final = 30.0
ATTENTION_SECONDS: Final = 1.0  # a wait looks up so often whether it may go on
BULK_JOB_SECONDS: Final = 3_600.0  # we stop waiting (the job goes on; its id resumes it)
DEPLOY_SECONDS: Final = 1_800.0
CSV_BLOCK_BYTES: Final = 4 * 1024 * 1024  # a record is at most 400,000 characters, so one always fits

# --- choice of API -------------------------------------------------------------------------------------
# By calls: REST needs rows/2,000; a bulk query create + polls + rows/50,000 + delete, about 8 for a small job.
# By latency a bulk job queues for seconds. Together: REST up to ten pages, Bulk above.
REST_READ_ROWS: Final = 20_000
# Composite writes 1,000 rows a call; an ingest job costs 6-8 calls and its polls and runs unordered.
COMPOSITE_WRITE_ROWS: Final = 10_000
BULK_POLLS_EXPECTED: Final = 8

# --- the day's quota -----------------------------------------------------------------------------------
ORG_RESERVE_SHARE: Final = 0.05  # of the org's calls that we never touch, whoever used the rest
CLOCK_SKEW_SECONDS: Final = 60.0  # beyond it a login uses the org's clock instead of ours
DATE_FRESH_SECONDS: Final = 60.0  # how long the Date header of the last reply stands for the org's clock
LOGIN_PAUSE_SECONDS: Final = 900.0  # after a refused login: repeated failures lock the user out
JWT_LIFE_SECONDS: Final = 180  # Salesforce's maximum for the assertion of a JWT login
