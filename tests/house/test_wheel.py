"""What is installed: the packages of the picture, and the files that they need beside them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> set[str]:
    out = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        ".",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(out),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    (wheel,) = out.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_exactly_the_packages_that_are_listed(names):
    listed = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
        "packages"
    ]
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(listed)


@pytest.mark.parametrize(
    "needed",
    [
        "mappings/standard.toml",
        "rebates/py.typed",
        "emulator/soql/grammar.lark",
        "connector/force-app/main/default/objects/Rebate_Standing__c/Rebate_Standing__c.object-meta.xml",
        "jobs/examples/programs/retail-2026.toml",
        "jobs/examples/config.example.toml",
    ],
)
def test_the_wheel_carries_what_the_code_reads(names, needed):
    assert needed in names


def test_the_wheel_carries_the_migrations(names):
    assert any(name.startswith("state/migrations/versions/") and name.endswith(".py") for name in names)
