"""When a call is tried again, and how long to wait: one tenacity policy, chosen by class of error and of call.

Reads are free to repeat. A write is repeated only when it is keyed (an upsert, an update, a state change), or
when it is certain that it never left this machine.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying

from connector import limits
from connector.errors import Ambiguous, SyncError, Transient, WindowLost
from connector.port import Clock


class Safety(enum.Enum):
    """What happens when a call is done twice."""

    READ = "read"  # nothing
    KEYED = "keyed"  # the same as once
    ONCE = "once"  # it would happen twice


@dataclass(frozen=True)
class Policy:
    """How often and how long; seconds."""

    attempts: int = limits.ATTEMPTS
    first_wait: float = limits.FIRST_WAIT_SECONDS
    longest_wait: float = limits.LONGEST_WAIT_SECONDS
    retry_after_limit: float = limits.RETRY_AFTER_LIMIT_SECONDS


def may_repeat(error: BaseException | None, safety: Safety, policy: Policy) -> bool:
    """Whether the same request may be sent once more after this error."""
    if not isinstance(error, SyncError) or isinstance(error, WindowLost) or error.gave_up:
        return False
    if error.timed_out or (error.slow and safety is not Safety.READ):
        return False  # it may still be at work on it: the caller asks for less, or looks first
    if error.retry_after is not None and error.retry_after > policy.retry_after_limit:
        return False
    if isinstance(error, Transient):
        return safety is not Safety.ONCE or not error.sent
    return isinstance(error, Ambiguous) and safety is Safety.KEYED


def wait_before(attempt: int, error: BaseException | None, policy: Policy, rng: random.Random) -> float:
    """Seconds before attempt `attempt + 1`: full jitter under a doubling ceiling, never below Retry-After."""
    ceiling = min(policy.longest_wait, policy.first_wait * 2 ** (attempt - 1))
    asked = error.retry_after if isinstance(error, SyncError) and error.retry_after else 0.0
    return float(asked + rng.uniform(0, ceiling))


def retrying(
    safety: Safety,
    *,
    clock: Clock,
    rng: random.Random,
    deadline: float,
    policy: Policy | None = None,
    before_sleep: Callable[[int, BaseException, float], None] | None = None,
) -> Retrying:
    """A tenacity loop that ends by attempts or at `deadline` (monotonic seconds) with the last error itself."""
    chosen = policy or Policy()

    def error_of(state: RetryCallState) -> BaseException | None:
        return state.outcome.exception() if state.outcome is not None else None

    def wait(state: RetryCallState) -> float:
        return wait_before(state.attempt_number, error_of(state), chosen, rng)

    def stop(state: RetryCallState) -> bool:
        too_late = clock.monotonic() + state.upcoming_sleep > deadline
        return state.attempt_number >= chosen.attempts or too_late

    def tell(state: RetryCallState) -> None:
        error = error_of(state)
        if before_sleep is not None and error is not None:
            before_sleep(state.attempt_number, error, state.upcoming_sleep)

    return Retrying(
        retry=lambda state: may_repeat(error_of(state), safety, chosen),
        wait=wait,
        stop=stop,
        sleep=clock.sleep,
        before_sleep=tell,
        reraise=True,
    )
