"""What the second processes of `test_second_process` run."""

from __future__ import annotations

import os


def doubling(given):
    return lambda asked: [given, asked * 2]


def printing(given):
    print("begun")
    os.write(1, b"not from Python")

    def answer(asked):
        print("asked", asked)
        return asked

    return answer


def failing(given):
    def answer(asked):
        raise ValueError(f"not {asked}")

    return answer
