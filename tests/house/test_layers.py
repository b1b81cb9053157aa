"""The picture in the README, enforced: an import points down, never up or sideways."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LAYERS = [{"cli"}, {"jobs"}, {"connector", "state"}, {"mappings"}, {"rebates"}]
ALONE = {"emulator"}  # speaks HTTP only: imports none of ours, none of ours imports it
DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}
OURS = DEPTH.keys() | ALONE


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", sorted(OURS))
def test_imports_point_down(package):
    files = list(Path(package).rglob("*.py"))
    assert files
    for path in files:
        for other in set(imports(path)) & OURS - {package}:
            assert package in DEPTH, f"{path}: {package} and {other} meet over HTTP only"
            assert other in DEPTH, f"{path}: {package} and {other} meet over HTTP only"
            assert DEPTH[package] < DEPTH[other], f"{path}: {package} may not import {other}"


@pytest.mark.parametrize("package", ["cli", "jobs"])
def test_sql_stands_in_state_alone(package):
    """Elsewhere a transaction is handed on, and an error of the database looked at: nothing is asked or told of it."""
    handed_on = {("sqlalchemy", "Connection"), ("sqlalchemy.exc", "DBAPIError")}
    for path in Path(package).rglob("*.py"):
        tree = list(ast.walk(ast.parse(path.read_text())))
        for node in (node for node in tree if isinstance(node, ast.ImportFrom) and node.module):
            assert not node.module.startswith("state.tables"), f"{path}:{node.lineno}"
            if node.module.split(".")[0] == "sqlalchemy":
                names = {(node.module, alias.name) for alias in node.names}
                assert names <= handed_on, f"{path}:{node.lineno}: {names - handed_on}"
        called = {node.attr for node in tree if isinstance(node, ast.Attribute)}
        assert not called & {"execute", "exec_driver_sql"}, path


def test_the_engine_needs_nothing_but_the_standard_library():
    import sys

    for path in Path("rebates").rglob("*.py"):
        outside = set(imports(path)) - sys.stdlib_module_names - {"rebates"}
        assert not outside, f"{path} imports {outside}"


def test_each_package_opens_with_what_it_is_may_import_and_does_not_know():
    for package in sorted(OURS):
        doc = ast.get_docstring(ast.parse(Path(package, "__init__.py").read_text()))
        assert doc is not None, package
        assert len([s for s in doc.replace("\n", " ").split(". ") if s.strip()]) >= 3, package


def test_the_picture_in_the_readme_is_this_one():
    readme = Path("README.md").read_text()
    for package in OURS:
        assert package in readme
