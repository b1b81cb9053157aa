"""Reading ahead: the same items in the same order, errors where they happened, and no thread left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from connector.ahead import Ahead


def test_items_come_in_their_order_and_end() -> None:
    assert list(Ahead(iter(range(50)), size=1)) == list(range(50))


def test_it_begins_before_anybody_reads() -> None:
    begun = threading.Event()

    def items() -> Iterator[int]:
        begun.set()
        yield 1

    ahead = Ahead(items(), size=1)
    assert begun.wait(10)
    assert list(ahead) == [1]


def test_no_more_than_a_few_items_wait() -> None:
    made: list[int] = []
    third = threading.Event()

    def items() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if number == 2:
                third.set()
            yield number

    ahead = Ahead(items(), size=1)
    assert next(ahead) == 0
    assert third.wait(10)  # one waits, one is at the door
    assert made == [0, 1, 2]
    ahead.close()


def test_the_reader_looks_up_while_it_waits_and_may_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.limits.ATTENTION_SECONDS", 0.01)
    go, where = threading.Event(), list[int]()

    def items() -> Iterator[int]:
        go.wait(10)
        yield 1

    def look() -> None:
        where.append(threading.get_ident())
        if len(where) == 3:
            raise TimeoutError

    ahead = Ahead(items(), size=1, meanwhile=look)
    with pytest.raises(TimeoutError):
        next(ahead)
    assert set(where) == {threading.get_ident()}
    go.set()
    assert next(ahead) == 1, "nothing is lost by looking up"


def test_an_error_is_raised_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("broken off")

    ahead = Ahead(items(), size=1)
    assert next(ahead) == 1
    with pytest.raises(LookupError, match="broken off"):
        next(ahead)
    assert list(ahead) == []


def test_what_is_done_at_the_end_waits_for_the_reader() -> None:
    done: list[str] = []
    made = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        made.set()

    ahead = Ahead(items(), size=1, at_end=lambda: done.append("tidied"))
    assert made.wait(10)
    assert next(ahead) == 1
    assert done == []
    assert list(ahead) == []
    assert done == ["tidied"]


def test_when_nobody_reads_any_more_the_source_is_closed() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            closed.set()

    ahead = Ahead(items(), size=1)
    next(ahead)
    ahead.close()
    assert closed.wait(10)
    assert list(ahead) == []
