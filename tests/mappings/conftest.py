"""Orgs and mappings for the mapping tests."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pyarrow as pa
import pytest

from mappings.file import parse_mapping
from mappings.model import Mapping
from mappings.problems import MappingProblems, Problem

ORDER_LINES = """
[pull.order_line]
object = "OrderItem"
[pull.order_line.fields]
order_id = "OrderId"
quantity = "Quantity"
amount = "TotalPrice"
"""


@pytest.fixture
def mapping_of() -> Callable[..., Mapping]:
    """A mapping from indented text."""

    def build(text: str, org_alias: str | None = None) -> Mapping:
        return parse_mapping(textwrap.dedent(text), "mapping.toml", org_alias)

    return build


@pytest.fixture
def problems_of() -> Callable[..., list[Problem]]:
    """The problems of a mapping that must not be accepted."""

    def read(text: str, org_alias: str | None = None) -> list[Problem]:
        with pytest.raises(MappingProblems) as caught:
            parse_mapping(textwrap.dedent(text), "mapping.toml", org_alias)
        return list(caught.value.problems)

    return read


@pytest.fixture
def page_of() -> Callable[..., pa.Table]:
    """A page as the connector gives it: all text, system fields filled in where a test does not care."""

    def build(**columns: list[str | None]) -> pa.Table:
        rows = len(next(iter(columns.values())))
        system = {
            "Id": [f"802000000{row:09d}" for row in range(rows)],
            "SystemModstamp": ["2026-11-01T10:00:00.000Z"] * rows,
            "IsDeleted": ["false"] * rows,
        }
        all_columns = {**system, **{name.replace("__dot__", "."): values for name, values in columns.items()}}
        return pa.table({name: pa.array(values, pa.string()) for name, values in all_columns.items()})

    return build
