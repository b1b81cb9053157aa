"""Every `== title` in the story files beside this one is a test. To add one, add a story; no Python is needed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.stories.telling import Story

HERE = Path(__file__).parent
PARAGRAPHS = [f"2.{n}" for n in range(1, 26)]


def stories() -> list[tuple[str, str]]:
    found = []
    for file in sorted(HERE.glob("*.story")):
        parts = re.split(r"^== *(.+)$", file.read_text("utf-8"), flags=re.MULTILINE)[1:]
        found += [
            (f"{file.stem}: {title.strip()}", text)
            for title, text in zip(parts[::2], parts[1::2], strict=True)
        ]
    return found


@pytest.mark.parametrize("text", [pytest.param(text, id=title) for title, text in stories()])
def test_the_story_holds(text):
    Story().tell(text)


def test_every_rule_of_the_field_has_a_story():
    titles = " ".join(title for title, _ in stories())
    assert [number for number in PARAGRAPHS if not re.search(rf"\b{re.escape(number)}\b", titles)] == []


def test_a_sentence_that_cannot_be_read_is_refused():
    with pytest.raises(ValueError, match="cannot read"):
        Story().tell("oder 2026-01-01 A1 5.00")


def test_a_wrong_number_is_found():
    with pytest.raises(AssertionError, match="earns"):
        Story().tell(
            "program stepped by month on amount\ntier A from 0 pays 1%\norder 2026-01-02 A1 100\non 2026-01-31 A1 earns 2.00"
        )
