"""What the emulator serves a second, so that it is known not to be what is measured."""

from __future__ import annotations

import time
from typing import Any

import requests

from benchmarks.measuring import table
from benchmarks.peers.queries import SOQL
from benchmarks.peers.token import session_of
from benchmarks.worlds import Size, World, build, world

CHUNK = 1 << 20
JOB_SECONDS = 1_800  # of one look: the emulator runs the job while it is looked at


def measure(lines: int) -> tuple[dict[str, Any], str]:
    """Job and download of all order lines, bytes thrown away as they come."""
    size = Size.of_lines(lines)
    made = build(size)
    started = time.monotonic()
    with world(size) as org:
        ready = time.monotonic() - started
        rows, job, stream = _download(org)
    result = {
        "lines": rows,
        "build_seconds": made,
        "ready_seconds": ready,
        "job_seconds": job,
        "stream_seconds": stream,
    }
    result["rows_per_second"] = rows / stream
    text = table(
        f"The emulator with {rows:,} order lines",
        [
            "made (once, kept in a file) s",
            "copied, served, package deployed s",
            "Bulk job s",
            "streamed s",
            "streamed rows/s",
        ],
        [[made, ready, job, stream, round(rows / stream)]],
    )
    return result, text


def _download(org: World) -> tuple[int, float, float]:
    http = requests.Session()
    http.headers["Authorization"] = f"Bearer {session_of(org.url)}"
    jobs = f"{org.url}/services/data/v68.0/jobs/query"
    started = time.monotonic()
    job = http.post(jobs, json={"operation": "queryAll", "query": SOQL["order_line"]}).json()["id"]
    while (state := http.get(f"{jobs}/{job}", timeout=JOB_SECONDS).json()["state"]) != "JobComplete":
        if state in ("Failed", "Aborted"):
            raise RuntimeError(f"the job ended {state}")
        time.sleep(0.05)
    done = time.monotonic()
    rows, locator = 0, ""
    while locator != "null":
        with http.get(
            f"{jobs}/{job}/results",
            params={"locator": locator} if locator else None,
            stream=True,
            timeout=JOB_SECONDS,
        ) as page:
            page.raise_for_status()
            rows += int(page.headers["Sforce-NumberOfRecords"])
            locator = page.headers["Sforce-Locator"]
            for _ in page.iter_content(CHUNK):
                pass
    return rows, done - started, time.monotonic() - done
