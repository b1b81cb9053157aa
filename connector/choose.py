"""REST or Bulk, and what a job will cost in API calls: pure functions of counts. The plan prints them."""

from __future__ import annotations

from math import ceil
from typing import Literal

from connector import limits

Way = Literal["rest", "bulk"]


def calls_to_read(rows: int, way: Way) -> int:
    """API calls to read `rows` rows. Bulk: create, looks, one call a page, delete."""
    if way == "rest":
        return max(1, ceil(rows / limits.QUERY_PAGE_ROWS))
    return 2 + limits.BULK_POLLS_EXPECTED + max(1, ceil(rows / limits.BULK_PAGE_ROWS))


def calls_to_write(rows: int, way: Way, *, bytes_per_row: int = 500) -> int:
    """API calls to upsert `rows` rows. Bulk, a job: create, upload, close, looks, three results, delete."""
    if rows == 0:
        return 0
    if way == "rest":
        return ceil(rows / limits.COMPOSITE_ROWS)
    jobs = max(ceil(rows / limits.BULK_JOB_ROWS), ceil(rows * bytes_per_row / limits.BULK_UPLOAD_BYTES))
    return jobs * (7 + limits.BULK_POLLS_EXPECTED)


def calls_to_describe(objects: int) -> int:
    """API calls for descriptions."""
    return ceil(objects / limits.COMPOSITE_PARTS)


def calls_to_poll(queries: int) -> int:
    """API calls for first pages of `queries` queries."""
    return ceil(queries / limits.COMPOSITE_QUERIES)


def choose_read(rows_expected: int, quota_left: int | None = None) -> Way:
    """REST for what is quick to page; Bulk beyond, or when REST would not fit in what is left of the quota."""
    if rows_expected > limits.REST_READ_ROWS:
        return "bulk"
    return _if_it_fits(calls_to_read(rows_expected, "rest"), calls_to_read(rows_expected, "bulk"), quota_left)


def choose_write(rows: int, quota_left: int | None = None) -> Way:
    """Composite collections up to 10,000 rows: ordered, answered at once, easy on locks. Bulk beyond."""
    if rows > limits.COMPOSITE_WRITE_ROWS:
        return "bulk"
    return _if_it_fits(calls_to_write(rows, "rest"), calls_to_write(rows, "bulk"), quota_left)


def _if_it_fits(rest: int, bulk: int, quota_left: int | None) -> Way:
    if quota_left is not None and rest > quota_left and bulk < rest:
        return "bulk"
    return "rest"
