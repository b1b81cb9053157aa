"""API calls of an ordinary sync by how much changed: computed by the functions that plan and push use.

    python -m benchmarks.calls

A test holds the table in docs/scale.md to this one.
"""

from __future__ import annotations

from connector import choose, limits

CHANGES = (0, 10, 1_000, 20_000, 1_000_000)
ACCOUNTS = 20_000  # that take part; each shows one of its standings


def table() -> str:
    """Markdown. Reading is one composite call as long as no object has more than 2,000 changed rows."""
    lines = [
        "| changed standings | read | write standings | write accounts | together |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for count in CHANGES:
        standings, accounts = _write(count), _write(min(count, ACCOUNTS))
        read = choose.calls_to_poll(limits.COMPOSITE_QUERIES)
        lines.append(
            f"| {count:,} | {read} | {_said(count, standings)} | {_said(min(count, ACCOUNTS), accounts)} "
            f"| {read + standings + accounts} |"
        )
    return "\n".join(lines) + "\n"


def _write(rows: int) -> int:
    return choose.calls_to_write(rows, choose.choose_write(rows))


def _said(rows: int, calls: int) -> str:
    return f"{calls} ({'Bulk' if choose.choose_write(rows) == 'bulk' else 'composite'})" if rows else "0"


if __name__ == "__main__":
    print(table(), end="")
