"""How long to wait between two looks at a job: often at first, seldom later. Each look costs an API call."""

from __future__ import annotations

import random
from collections.abc import Iterator

from connector import limits


def waits(rng: random.Random) -> Iterator[float]:
    """Seconds between looks, without end: from 0.15 s growing to 30 s, each ±20 % so that workers spread."""
    wait = limits.BULK_FIRST_POLL_SECONDS
    while True:
        yield wait * rng.uniform(0.8, 1.2)
        wait = min(limits.BULK_LONGEST_POLL_SECONDS, wait * limits.BULK_POLL_GROWTH)
