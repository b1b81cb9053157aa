"""Standings a second from totals, and how that compares with a bare loop that does the same arithmetic.

    python benchmarks/standings_speed.py

CPU seconds of this process, best of five; one core, no steps asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from rebates import Inputs, Tally, parse_program, standings

HEAD = 'key = "speed"\nstarts = 2026-01-01\nends = 2026-12-31\n'
LADDER = [("0", "0.02"), ("25000", "0.04"), ("100000", "0.06")]
TIERS = "".join(f'[[tiers]]\nthreshold = "{t}"\nrate = "{r}"\n' for t, r in LADDER)
COUNT = 50_000


def bare(method: str, amounts: list[Decimal]) -> list[Decimal]:
    """Only the arithmetic: tier, rebate, gap, rebate at the next tier, rounding."""
    ladder = [(Decimal(t), Decimal(r)) for t, r in LADDER]
    cent, out = Decimal("0.01"), []

    def pay(k: int, amount: Decimal) -> Decimal:
        if method == "retrospective":
            return (amount * ladder[k][1]).quantize(cent, ROUND_HALF_UP)
        ends = [t for t, _ in ladder[1 : k + 1]] + [amount]
        return sum(((e - t) * r for (t, r), e in zip(ladder, ends, strict=False)), Decimal(0)).quantize(
            cent, ROUND_HALF_UP
        )

    for amount in amounts:
        k = max(i for i, (t, _) in enumerate(ladder) if amount >= t)
        out.append(pay(k, amount))
        if k + 1 < len(ladder):
            _gap, _next = ladder[k + 1][0] - amount, pay(k + 1, ladder[k + 1][0])
    return out


def best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def main() -> None:
    amounts = [Decimal(n * 7 % 150_000) for n in range(COUNT)]
    rows = [(str(n), {"all": Tally(amount, Decimal(1), 1)}, Inputs()) for n, amount in enumerate(amounts)]
    for method in ("retrospective", "stepped"):
        program = parse_program(f'{HEAD}method = "{method}"\n{TIERS}')
        period = program.periods()[0]
        told = standings(program, period, rows, as_of=date(2026, 1, 5))
        assert [at.rebate for at in told] == bare(method, amounts)
        engine = best(lambda p=program, q=period: standings(p, q, rows, as_of=date(2026, 1, 5)))
        loop = best(lambda m=method: bare(m, amounts))
        print(
            f"{method}: {COUNT / engine:,.0f} standings/s, bare loop {COUNT / loop:,.0f}/s, ratio {engine / loop:.2f}"
        )


if __name__ == "__main__":
    main()
