"""docs/programs.md is true: every example runs and comes to what it says, every rule has one, every key is told of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobs.trial import run_trial
from jobs.trial_files import read_trial_files
from rebates import parse_program
from rebates.keys import SECTIONS
from rebates.money import money_text

DOCS = (Path(__file__).parents[2] / "docs" / "programs.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, list[str], dict[str, str], str]]:
    """Title, programs, files and expectation of each example, in the order of the page."""
    found = []
    for section in re.split(r"^### ", DOCS, flags=re.MULTILINE)[1:]:
        title, programs, files = section.splitlines()[0], [], {}
        for kind, name, text in BLOCK.findall(section):
            if kind == "toml" and not name:
                programs.append(text)
            elif kind == "csv":
                files[name] = text
            elif kind == "expect":
                found.append((title, programs, files, text))
                programs, files = [], {}
    return found


@pytest.mark.parametrize(
    ("programs", "files", "expected"), [pytest.param(p, f, e, id=t) for t, p, f, e in examples()]
)
def test_the_example_comes_to_what_the_page_says(programs, files, expected, tmp_path):
    paths = {}
    for name, text in files.items():
        paths[name] = tmp_path / f"{name}.csv"
        paths[name].write_text(text)
    trial = run_trial(
        [parse_program(text) for text in programs], read_trial_files(paths.pop("orders"), **paths)
    )
    assert not trial.set_aside
    told = []
    for row, line in zip(trial.standings, expected.split("\n"), strict=False):
        at = row.standing
        currency = at.working.program.currency
        words = [
            at.member,
            at.period.key,
            (at.tier or "-").replace(" ", "_"),
            money_text(at.rebate, currency),
        ]
        told.append(" ".join([*words, "pays", money_text(row.paid, currency)] if " pays " in line else words))
    assert len(trial.standings) == len(told)
    assert told == expected.strip().split("\n")


def test_every_rule_of_the_field_has_a_runnable_example():
    titles = {title.split()[0] for title, *_ in examples()}
    assert [f"2.{n}" for n in range(1, 26) if f"2.{n}" not in titles] == []


def test_every_key_is_documented():
    missing = [
        f"{section}.{key.name}"
        for section, keys in SECTIONS.items()
        for key in keys
        if f"| `{key.name}`" not in DOCS
    ]
    assert missing == []


def test_the_library_example_prints_what_the_page_says(capsys):
    section = DOCS.split("## As a library", 1)[1].split("\n## ", 1)[0]
    blocks = {kind: text for kind, _, text in BLOCK.findall(section)}
    exec(compile(blocks["python"], "docs/programs.md", "exec"), {})
    assert capsys.readouterr().out == blocks["output"]
