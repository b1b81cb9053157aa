"""A file that no person would write is that file's problem, said with its name; those beside it go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.configuration import InvalidConfiguration, load_configuration
from jobs.program_files import read_program_files
from mappings.file import read_mapping
from mappings.problems import MappingProblems
from rebates import InvalidProgram, parse_program
from rebates.outdated import outdated

GOOD = 'key = "care"\nstarts = 2026-01-01\nends = 2026-12-31\n[[tiers]]\nthreshold = "0"\nrate = "1%"\n'
ODD = {
    "digits": (b"a = " + b"9" * 5_000, "a number has thousands of digits"),
    "hexadecimal": (b"a = 0x" + b"f" * 5_000, "a number has more than 40 digits"),
    "lists": (b"a = " + b"[" * 100_000, "deep in each other"),
    "closed lists": (b"a = " + b"[" * 60 + b"]" * 60, "deep in each other"),
    "dotted key": (b"a" + b".a" * 5_000 + b" = 1", "deep in each other"),
    "not UTF-8": (b'name = "M\xfcller"', "codec can't decode"),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_program_file_is_its_own_problem(tmp_path, odd):
    written, said = ODD[odd]
    (tmp_path / "care.toml").write_text(GOOD)
    (tmp_path / "odd.toml").write_bytes(written)
    found = read_program_files(tmp_path)
    assert [program.key for program in found.programs] == ["care"]
    (path, (problem,)) = found.broken[0]
    assert path.name == "odd.toml"
    assert problem.file == str(path)
    assert (said if odd != "not UTF-8" else "is not UTF-8 text") in problem.message
    assert len(str(problem)) < 500
    assert outdated(written.decode("latin-1")) is None


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_settings_file_is_named(tmp_path, odd):
    written, said = ODD[odd]
    (tmp_path / "rebates.toml").write_bytes(written)
    with pytest.raises(InvalidConfiguration) as caught:
        load_configuration(start=tmp_path, environment={})
    (problem,) = caught.value.problems
    assert problem.origin == str(tmp_path / "rebates.toml")
    assert said in problem.problem


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_mapping_is_named(tmp_path, odd):
    written, said = ODD[odd]
    file = Path(tmp_path / "mapping.toml")
    file.write_bytes(written)
    with pytest.raises(MappingProblems) as caught:
        read_mapping(file)
    text = caught.value.problems[0].render()
    assert str(file) in text
    assert (said if odd != "not UTF-8" else "is not UTF-8 text") in text


@pytest.mark.parametrize("written", ['"²"', '"' + "9" * 5_000 + '"', '"٣"'])
def test_a_number_of_days_is_read_or_refused(written):
    text = GOOD + f"[alerts.near_tier]\ndays_left = {written}\n"
    with pytest.raises(InvalidProgram) as caught:
        parse_program(text, "care.toml")
    assert {problem.file for problem in caught.value.problems} == {"care.toml"}
    assert caught.value.problems[0].line == 8
