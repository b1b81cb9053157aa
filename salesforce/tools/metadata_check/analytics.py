"""Report types, reports, dashboards: the chain from a chart down to a field."""

from __future__ import annotations

from collections.abc import Iterator

from .model import Field, Package, stem
from .nodes import Node, Problem, suggestion
from .objects import known_values, whole

_NO_COLUMN = "RowCount"


def problems(package: Package) -> Iterator[Problem]:
    columns = {}
    for file, node in package.in_folder("reportTypes"):
        columns[f"{stem(file)}__c"], found = _report_type(package, file, node)
        yield from found
    reports: dict[str, Node] = {}
    for file, node in package.trees.items():
        parts = file.split("/")
        if parts[0] in ("reports", "dashboards") and len(parts) == 3:
            kind = parts[0].removesuffix("s")
            if f"{parts[0]}/{parts[1]}.{kind}Folder-meta.xml" not in package.files:
                yield Problem(file, 0, f"the folder {parts[1]} has no {parts[1]}.{kind}Folder-meta.xml")
            if parts[0] == "reports":
                reports[f"{parts[1]}/{parts[2].removesuffix('.report-meta.xml')}"] = node
                yield from _report(file, node, columns)
    for file, node in package.trees.items():
        if file.endswith(".dashboard-meta.xml"):
            yield from _dashboard(file, node, reports)
        if file.endswith("Folder-meta.xml") and not node.one("name"):
            yield Problem(file, node.line, "a folder needs a <name>")


def _report_type(package: Package, file: str, node: Node) -> tuple[dict[str, Field | None], list[Problem]]:
    """What the type's reports may name ("Account$Name"), and what is wrong with it."""
    columns: dict[str, Field | None] = {}
    found: list[Problem] = []
    base = node.one("baseObject") or ""
    joined = f"{base}.{node.one('join/relationship')}"
    if joined not in package.relationships:
        close = suggestion(joined, package.relationships)
        found.append(Problem(file, node.line_of("join"), f"there is no relationship {joined}{close}"))
    tables = {base: base, joined: package.relationships.get(joined, ("", ""))[0]}
    for column in node.all("sections/columns"):
        table, name = column.one("table") or "", column.one("field") or ""
        if table not in tables:
            found.append(
                Problem(file, column.line_of("table"), f"no table {table}{suggestion(table, tables)}")
            )
        elif not package.has_field(tables[table], name):
            close = suggestion(name, package.field_names(tables[table]))
            found.append(
                Problem(file, column.line_of("field"), f"there is no field {tables[table]}.{name}{close}")
            )
        columns[f"{table}${name}"] = package.field(tables.get(table, ""), name)
    return columns, found


def _report(file: str, node: Node, types: dict[str, dict[str, Field | None]]) -> Iterator[Problem]:
    type_ = node.one("reportType") or ""
    if type_ not in types:
        yield Problem(file, node.line_of("reportType"), f"no report type {type_}{suggestion(type_, types)}")
        return
    columns = types[type_]
    paths = (
        "columns/field",
        "groupingsDown/field",
        "filter/criteriaItems/column",
        "timeFrameFilter/dateColumn",
        "sortColumn",
    )
    for path in paths:
        for item in node.all(path):
            if item.text not in columns:
                yield Problem(
                    file, item.line, f"{item.text} is not in the report type{suggestion(item.text, columns)}"
                )
    for item in node.all("filter/criteriaItems"):
        yield from known_values(columns.get(item.one("column") or ""), file, item, "value")
    for item in node.all("columns"):
        field = columns.get(item.one("field") or "")
        if item.one("aggregateTypes") and (
            field is None or field.type not in ("Currency", "Number", "Percent")
        ):
            yield Problem(file, item.line, f"{item.one('field')} is no number: it cannot be summed")
    dated = columns.get(node.one("timeFrameFilter/dateColumn") or "")
    if dated is None or dated.type not in ("Date", "DateTime"):
        yield Problem(file, node.line_of("timeFrameFilter"), "a report needs a time frame on a date")
    listed = {item.one("field") for item in node.all("columns")}
    for item in node.all("groupingsDown/field"):
        if item.text in listed:
            yield Problem(file, item.line, f"{item.text} is grouped by: it cannot be a column, too")
    if node.one("sortColumn") and node.one("sortColumn") not in listed:
        yield Problem(file, node.line_of("sortColumn"), "a report is sorted by a column that it shows")
    if len(node.one("name") or "") > 40 or len(node.one("description") or "") > 255:
        yield Problem(file, node.line, "a report's name holds 40 characters, its description 255")


def _dashboard(file: str, node: Node, reports: dict[str, Node]) -> Iterator[Problem]:
    if node.one("dashboardType") == "SpecifiedUser":
        yield Problem(
            file, node.line_of("dashboardType"), "a running user of one org cannot be shipped to others"
        )
    width = whole(node, "dashboardGridLayout/numberOfColumns")
    taken: set[tuple[int, int]] = set()
    for cell in node.all("dashboardGridLayout/dashboardGridComponents"):
        at = {path: whole(cell, path) for path in ("columnIndex", "colSpan", "rowIndex", "rowSpan")}
        covered = {
            (column, row)
            for column in range(at["columnIndex"], at["columnIndex"] + at["colSpan"])
            for row in range(at["rowIndex"], at["rowIndex"] + at["rowSpan"])
        }
        if taken & covered or any(column >= width for column, _ in covered):
            yield Problem(file, cell.line, "lies on another component, or beyond the last column")
        taken |= covered
        for component in cell.all("dashboardComponent"):
            yield from _component(file, component, reports)


def _component(file: str, node: Node, reports: dict[str, Node]) -> Iterator[Problem]:
    name = node.one("report") or ""
    if name not in reports:
        yield Problem(file, node.line_of("report"), f"there is no report {name}{suggestion(name, reports)}")
        return
    report = reports[name]
    groups = [item.text for item in report.all("groupingsDown/field")]
    shown = {item.one("field") for item in report.all("columns")}
    sums = {item.one("field") for item in report.all("columns") if item.one("aggregateTypes")}
    for item in node.all("groupingColumn"):
        if item.text not in groups:
            yield Problem(file, item.line, f"{name} is not grouped by {item.text}")
    for item in node.all("chartSummary/column"):
        if item.text not in sums and item.text != _NO_COLUMN:
            yield Problem(
                file,
                item.line,
                f"{name} does not sum {item.text}{suggestion(item.text, [s for s in sums if s])}",
            )
    for path in ("flexTableColumn/reportColumn", "flexTableSortInfo/sortColumn"):
        for item in node.all(f"flexComponentProperties/{path}"):
            if item.text not in shown | set(groups):
                yield Problem(file, item.line, f"{name} has no column {item.text}")
