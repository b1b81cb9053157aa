"""How long to wait between two looks at a job: often at first, seldom later. Each look costs an API call."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from connector import limits
from connector.port import Clock


@dataclass
class Attention:
    """What a long wait looks at: `look` may end it by raising, and nobody waits for an org that was `closed`."""

    look: Callable[[], None] = lambda: None
    closed: bool = False


def pause(seconds: float, *, clock: Clock, attention: Attention) -> None:
    """Sleep, a second at a time, and look up before each."""
    while seconds > 0 and not attention.closed:
        attention.look()
        step = min(seconds, limits.ATTENTION_SECONDS)
        clock.sleep(step)
        seconds -= step


def waits(rng: random.Random) -> Iterator[float]:
    """Seconds between looks, without end: from 0.15 s growing to 30 s, each ±20 % so that workers spread."""
    wait = limits.BULK_FIRST_POLL_SECONDS
    while True:
        yield wait * rng.uniform(0.8, 1.2)
        wait = min(limits.BULK_LONGEST_POLL_SECONDS, wait * limits.BULK_POLL_GROWTH)
