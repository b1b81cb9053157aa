"""`rebates emulator`: what it adds to the arguments that it passes on."""

from __future__ import annotations

from pathlib import Path

from cli.emulator import with_programs


def test_in_a_folder_without_programs_the_written_configuration_names_the_examples(tmp_path):
    arguments = with_programs(["--seed", "story", "--write-config=rebates.toml"], tmp_path)
    assert arguments[:3] == ["--seed", "story", "--write-config=rebates.toml"]
    assert arguments[3] == "--programs"
    assert list(Path(arguments[4]).glob("*.toml")), "a sync finds programs there"


def test_programs_of_ones_own_are_left_alone(tmp_path):
    given = ["--write-config", "rebates.toml", "--programs", "mine"]
    assert with_programs(given, tmp_path) == given
    assert with_programs(["--seed", "story"], tmp_path) == ["--seed", "story"]
    (tmp_path / "programs").mkdir()
    assert with_programs(given[:2], tmp_path) == given[:2]
