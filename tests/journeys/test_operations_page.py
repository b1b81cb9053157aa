"""Every command of docs/operations.md runs, in the order of the page, against one org: so the page cannot rot."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from state.outbox import Stuck

PAGE = Path("docs/operations.md").resolve()
EXAMPLES = Path("programs").resolve()


def commands():
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [
        shlex.split(line)[1:]
        for block in blocks
        for line in block.splitlines()
        if line.startswith("rebates ")
    ]


def test_every_command_on_the_page_runs(story):
    story.config('[schedule.sync]\nevery = "15m"\n')
    shutil.copytree(EXAMPLES, story.folder / "programs", dirs_exist_ok=True)
    (story.folder / "backups").mkdir()
    assert story("sync").code == 0
    found = commands()
    assert len(found) > 20
    for command in found:
        story.wait(seconds=1)
        done = story(*command)
        assert done.code == 0, (command, done.text)


def test_every_reason_and_every_exit_code_has_its_place_on_the_page():
    from cli.output import Exit

    text = PAGE.read_text(encoding="utf-8")
    for reason in Stuck:
        assert f"| `{reason.value}` |" in text
    for code in Exit:
        assert f"| {code.value} |" in text
