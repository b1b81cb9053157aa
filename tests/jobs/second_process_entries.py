"""What the second processes of `test_second_process` run."""

from __future__ import annotations


def doubling(given):
    return lambda asked: [given, asked * 2]


def printing(given):
    print("begun")

    def answer(asked):
        print("asked", asked)
        return asked

    return answer


def failing(given):
    def answer(asked):
        raise ValueError(f"not {asked}")

    return answer
