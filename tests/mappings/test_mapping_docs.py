"""docs/mapping.md is true: every file in it can be read, every table is what comes out, every code is explained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest

from mappings import scalars
from mappings.canonical import ENTITIES
from mappings.check import check
from mappings.editor_schema import mapping_schema
from mappings.file import parse_mapping, standard_text
from mappings.inbound import reader
from mappings.places import read_toml
from mappings.problems import MappingProblems
from mappings.vocabulary import VALUES
from tests.mappings.org_describes import stock_org

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "mapping.md").read_text("utf-8")

REQUIRED = {
    "account": 'name = "Name"\n',
    "order": 'account_id = "AccountId"\nordered_on = "EffectiveDate"\n',
    "order_line": 'order_id = "OrderId"\nquantity = "Quantity"\namount = "TotalPrice"\n',
}


@dataclass
class Example:
    """A block of TOML, what the fence says of it, and the table of columns that follows it."""

    kind: str
    text: str
    line: int
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def examples() -> Iterator[Example]:
    for match in re.finditer(r"^```toml ?(.*)\n([\s\S]*?)^```\n(?:\n((?:\|.*\n)+))?", PAGE, re.M):
        table = [
            [cell.strip() for cell in row.strip("|").split("|")] for row in (match[3] or "").splitlines()
        ]
        line = PAGE[: match.start()].count("\n") + 1
        head = table[0] if table and all(cell.startswith("`") for cell in table[0]) else []
        yield Example(match[1], match[2], line, [cell.strip("`") for cell in head], table[2:] if head else [])


EXAMPLES = list(examples())


def whole_file(example: Example) -> str:
    if not example.kind.startswith("pull="):
        return example.text
    entity = example.kind.removeprefix("pull=")
    left = example.text.split(" =")[0]
    others = "".join(line for line in REQUIRED[entity].splitlines(True) if not line.startswith(f"{left} ="))
    return f'[pull.{entity}]\nobject = "X"\n[pull.{entity}.fields]\n{others}{example.text}'


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if e.kind != "problem"], ids=lambda e: f"line {e.line}"
)
def test_every_file_on_the_page_can_be_read(example):
    parse_mapping(whole_file(example))


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.rows], ids=lambda e: f"line {e.line}")
def test_every_table_on_the_page_is_what_comes_out(example):
    entity = example.kind.removeprefix("pull=")
    mapping = parse_mapping(whole_file(example))
    *paths, left = example.header
    for row in example.rows:
        cells = {path: shown(cell) for path, cell in zip(paths, row[:-1], strict=True)}
        page = {name: pa.array([usual(name)], pa.string()) for name in mapping.pull[entity].paths}
        page |= {name: pa.array([value], pa.string()) for name, value in cells.items()}
        inbound = reader(mapping.pull[entity], mapping).read(pa.table(page))
        if row[-1].startswith("set aside: "):
            assert [rejected.code for rejected in inbound.rejected] == [
                row[-1].removeprefix("set aside: ")
            ], row
        else:
            value = inbound.table[left][0].as_py()
            kind = ENTITIES[entity].field(left).kind
            assert (value if value is None else scalars.shown(kind, value)) == shown(row[-1]), row


def shown(cell: str) -> str | None:
    return cell.removeprefix("`").removesuffix("`") or None


def usual(path: str) -> str | None:
    """Something readable for the columns that an example does not speak of."""
    if path == "MasterRecordId":
        return None
    words = {
        "Id": "802000000000001AAA",
        "OrderId": "801000000000001AAA",
        "AccountId": "001000000000001AAA",
        "EffectiveDate": "2026-11-01",
        "IsDeleted": "false",
        "Name": "Glow",
    }
    return words.get(path, "2026-11-01T00:00:00.000Z" if path == "SystemModstamp" else "1")


def test_the_problems_shown_on_the_page_are_those_that_are_found():
    (example,) = [e for e in EXAMPLES if e.kind == "problem"]
    with pytest.raises(MappingProblems) as caught:
        parse_mapping(example.text)
    mended = parse_mapping(example.text.replace("defalt", "default"))
    (in_org,) = check(mended, stock_org())

    for problem in (*caught.value.problems, in_org):
        assert f"```text\n{problem.render()}\n```" in PAGE


def test_every_code_is_explained_and_none_is_invented():
    sources = [*(ROOT / "mappings").glob("*.py")]
    used = {code for path in sources for code in re.findall(r'"(M\d{3})"', path.read_text("utf-8"))}

    assert set(re.findall(r"^\| (M\d{3}) \|", PAGE, re.M)) == used


def test_every_value_that_can_be_written_is_listed():
    table = PAGE.partition("<!-- values -->")[2].partition("<!-- /values -->")[0]
    listed = {row[0]: row[1] for row in re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.M)}

    assert listed == {group: ", ".join(f"`{name}`" for name in names) for group, names in VALUES.items()}


def allows(schema, value, where="mapping"):
    """As much of JSON Schema as the editor schema uses: says where a value does not fit, or None."""
    if "const" in schema and value != schema["const"]:
        return where
    if "enum" in schema and value not in schema["enum"]:
        return where
    kinds = {"object": dict, "string": str, "boolean": bool, "integer": int, "array": list}
    if "type" in schema:
        wanted = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        if not isinstance(value, tuple(kinds[name] for name in wanted)):
            return where
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        return where
    if "oneOf" in schema and sum(allows(option, value, where) is None for option in schema["oneOf"]) != 1:
        return where
    if isinstance(value, dict):
        if any(name not in value for name in schema.get("required", ())):
            return where
        for name, item in value.items():
            below = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
            problem = f"{where}.{name}" if below is False else allows(below, item, f"{where}.{name}")
            if problem is not None:
                return problem
    if isinstance(value, list):
        return next((p for item in value if (p := allows(schema.get("items", {}), item, where))), None)
    return None


def test_the_schema_for_editors_takes_the_mapping_that_ships_and_all_of_this_page():
    texts = [standard_text(), *(whole_file(example) for example in EXAMPLES if example.kind != "problem")]
    for text in texts:
        assert allows(mapping_schema(), read_toml(text, "m.toml").plain) is None


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ('region = { feild = "X" }', "mapping.pull.account.fields.region"),
        ('region = { field = "X", const = "y" }', "mapping.pull.account.fields.region"),
        ("region = 5", "mapping.pull.account.fields.region"),
    ],
)
def test_the_schema_for_editors_refuses_what_the_reader_refuses(line, where):
    text = f'[pull.account]\nobject = "A"\n[pull.account.fields]\nname = "Name"\n{line}'
    with pytest.raises(MappingProblems):
        parse_mapping(text)

    assert allows(mapping_schema(), read_toml(text, "m.toml").plain) == where
