"""Properties of the code as text: no float near money, one clock, no leftovers, files of one duty."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

PRODUCT = ("rebates", "mappings", "connector", "state", "jobs", "cli", "emulator")
FILES = sorted(
    path for package in PRODUCT for path in Path(package).rglob("*.py") if "node_modules" not in path.parts
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True, text=True).stdout
    return [Path(name) for name in listed.split("\0") if name and Path(name).is_file()]


@pytest.mark.parametrize("package", ["rebates", "state", "mappings"])
def test_no_float_comes_near_money(package):
    for path in Path(package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant):
                assert not isinstance(node.value, float), f"{path}:{node.lineno}: {node.value}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "float", f"{path}:{node.lineno}"


def test_time_and_chance_come_out_of_the_air_in_one_file():
    air = re.compile(
        r"datetime\.now\(|utcnow\(|time\.time\(|time\.sleep\(|uuid\.uuid|os\.urandom|random\.Random\(\)"
    )
    for path in FILES:
        if path.parts[0] != "emulator" and path != Path("jobs/clock.py"):
            found = [line for line in path.read_text().splitlines() if air.search(line)]
            assert not found, f"{path}: {found}"


def test_nothing_is_left_for_later_in_the_code():
    for path in FILES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", line), (
                f"{path}:{number}: {line}"
            )


def test_no_error_is_swallowed_without_a_word():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                bare = node.type is None or (
                    isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
                )
                silent = all(isinstance(s, ast.Pass) for s in node.body)
                assert not (bare and silent), f"{path}:{node.lineno}"


def test_a_file_has_one_duty():
    long = {
        str(path): n
        for path in FILES
        if "versions" not in path.parts and (n := len(path.read_text().splitlines())) > 400
    }
    assert not long


def test_no_drawer_is_called_utils_or_common():
    assert not [path for path in FILES if path.stem in {"utils", "util", "common", "helpers", "misc"}]


def test_lock_files_name_no_host():
    pattern = re.compile(
        r'"resolved": *"http|https?://[^ "]+\.(whl|tar\.gz|tgz|deb)\b|--index-url|--extra-index-url'
    )
    for path in tracked():
        if (
            path.name == "package-lock.json"
            or path.parent.name == "requirements"
            or path.suffix in {".lock", ".npmrc"}
        ):
            assert not pattern.search(path.read_text()), path


def test_tests_are_sentences():
    for path in Path("tests").rglob("test_*.py"):
        if "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert node.name.count("_") >= 2, f"{path}:{node.lineno}: {node.name}"


@pytest.mark.parametrize("package", ["jobs", "state"])
def test_the_map_of_a_large_package_names_each_of_its_modules_once(package):
    """The first column of the map is the family, what follows are modules."""
    text = ast.get_docstring(ast.parse(Path(package, "__init__.py").read_text()), clean=False)
    rows = text[text.index("a test holds this map to the folder") :].splitlines()
    named = [name for row in rows if row.startswith("    ") for name in row[21:].split()]
    there = {
        path.stem
        for path in Path(package).iterdir()
        if path.name not in ("__init__.py", "__pycache__") and (path.suffix == ".py" or path.is_dir())
    }
    assert sorted(named) == sorted(there)


def test_what_is_shown_goes_through_one_console_that_reads_no_markup():
    own = re.compile(r"rich\.(markup|text)|\bConsole\(\w|\bescape\(|markup=True|from_markup")
    for path in sorted(Path("cli").glob("*.py")):
        if path.name not in ("consoles.py", "output.py"):
            found = [line for line in path.read_text().splitlines() if own.search(line)]
            assert not found, f"{path}: {found}; say styles with cli.output.styled"
