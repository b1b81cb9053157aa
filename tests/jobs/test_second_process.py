"""A second process is asked and answers; that it is gone is said and never waited for."""

from __future__ import annotations

import os
import signal

import pytest

from jobs.second_process import Gone, SecondProcess

HERE = "tests.jobs.second_process_entries"


@pytest.fixture
def started():
    made = []

    def start(entry, given=None):
        made.append(SecondProcess(f"{HERE}:{entry}", given))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_answers_come_in_the_order_of_the_questions_however_large(started):
    second = started("doubling", 3)
    for number in range(5):
        second.ask([number] * 100_000)
    for number in range(5):
        assert second.answer() == [3, [number] * 200_000]
    assert not second.answered()


def test_what_it_prints_does_not_come_between_its_answers(started):
    second = started("printing")
    second.ask("one")
    assert second.answer() == "one"


def test_an_error_is_told_with_its_words_and_every_later_answer_is_that_it_is_gone(started):
    second = started("failing")
    second.ask("one")
    with pytest.raises(Gone, match="ValueError: not one"):
        second.answer()
    for _ in range(2):
        second.ask("two")
        with pytest.raises(Gone, match="ended with 0"):
            second.answer()


def test_one_that_was_killed_is_gone_and_asking_it_is_no_error(started):
    second = started("doubling", 1)
    second.ask([1])
    assert second.answer()
    os.kill(second._process.pid, signal.SIGKILL)
    second._process.wait()
    second.ask([2])
    with pytest.raises(Gone, match="ended with -9"):
        second.answer()
    assert second.answered(), "that it ended is an answer that is there"


def test_one_that_cannot_start_is_gone(started):
    second = started("no_such_function")
    with pytest.raises(Gone):
        second.answer()


def test_it_ends_with_its_input_whoever_held_it(started):
    second = started("doubling", 1)
    second.ask([1])
    assert second.answer()
    second._process.stdin.close()  # as when we are killed
    assert second._process.wait(10) == 0


def test_ctrl_c_does_not_end_it_before_us(started):
    second = started("doubling", 1)
    second.ask([1])
    assert second.answer()
    os.kill(second._process.pid, signal.SIGINT)
    second.ask([2])
    assert second.answer() == [1, [2, 2]]


def test_ending_it_twice_is_no_error_and_it_is_gone(started):
    second = started("doubling", 1)
    for _ in range(2):
        second.close()
    with pytest.raises(Gone, match="ended with -9"):
        second.answer()
