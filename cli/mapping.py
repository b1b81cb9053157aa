"""`rebates mapping …`: which org fields mean what, and which are written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import Exit, JsonFlag, emit, emit_text
from cli.sync import LoginAgain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mappings.fieldpaths import Describes
    from mappings.model import Mapping, PullEntity
    from mappings.task_status import TaskStatus

app = typer.Typer(
    help="The mapping: which org fields mean what, and which are written.", no_args_is_help=True
)

FileArgument = Annotated[
    str | None,
    typer.Argument(metavar="[FILE]", help='A mapping file or "standard" (left out: the one configured).'),
]
Offline = Annotated[
    Path | None,
    typer.Option("--offline", metavar="DIR", help="Check against describes kept in a folder; no login."),
]


@app.command()
def check(
    context: typer.Context,
    file: FileArgument = None,
    offline: Offline = None,
    login_again: LoginAgain = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare the mapping with the org: fields, visibility, types, picklists, keys, lengths.

    Exit code 2 when there is an error; warnings leave it 0.
    """
    from mappings.check import check as compare
    from mappings.problems import MappingProblems, Problem, has_errors, in_order, summary

    describes: Describes = {}
    problems: list[Problem]
    try:
        mapping, describes = _mapping_and_describes(context, file, offline, login_again)
        currencies, statuses = ({}, ()) if offline else (_currencies(context), _statuses(context, mapping))
        unused = {} if offline else _unused(context)
        problems = compare(mapping, describes, currencies, statuses=statuses, unused=unused)
    except MappingProblems as refused:
        problems = in_order(refused.problems)

    def human(console: Console) -> None:
        for problem in problems:
            console.print(problem.render())
            console.print()
        console.print(summary(problems) if problems else f"no problems in {len(describes)} objects")

    bad = has_errors(problems)
    emit(
        "mapping check",
        {
            "problems": [problem.as_json() for problem in problems],
            "errors": sum(problem.level == "error" for problem in problems),
            "warnings": sum(problem.level == "warning" for problem in problems),
            "objects": sorted(describes),
        },
        as_json=as_json,
        human=human,
        exit_code=Exit.USAGE if bad else Exit.OK,
        error=_refusal(summary(problems)) if bad else None,
    )


@app.command()
def show(context: typer.Context, file: FileArgument = None, as_json: JsonFlag = False) -> None:
    """Print the mapping file (to start your own from); with --json what it means, and the queries it makes."""
    from mappings.file import STANDARD, read_mapping, standard_text
    from mappings.soql import select

    path, alias = _path_and_alias(context, file)
    mapping = read_mapping(path, alias)
    text = standard_text() if path == STANDARD else Path(path).read_text("utf-8")

    def human(console: Console) -> None:
        console.print(text, end="", soft_wrap=True)

    data = {
        "file": mapping.file,
        "org": mapping.org_alias,
        "pull": {
            name: {"object": entity.object, "fields": sorted(entity.fields), "query": select(entity)}
            for name, entity in mapping.pull.items()
        },
        "push": {
            name: {
                "object": target.object,
                "match": target.match,
                "when": target.when,
                "fields": list(target.fields),
            }
            for name, target in mapping.push.items()
        },
    }
    emit("mapping show", data, as_json=as_json, human=human)


@app.command()
def snapshot(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to keep the describes.")],
    file: FileArgument = None,
    as_json: JsonFlag = False,
) -> None:
    """Keep what the org says of the mapped objects, for `mapping check --offline DIR`."""
    from mappings.snapshot import write_snapshot

    _, describes = _mapping_and_describes(context, file, None)
    written = write_snapshot(folder, dict(describes))

    def human(console: Console) -> None:
        console.print(f"{len(written)} describes in {folder}")

    emit("mapping snapshot", {"files": written}, as_json=as_json, human=human)


@app.command()
def init(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The mapping file to write; its folder is made.")
    ],
    offline: Offline = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write a first mapping for this org: the standard one, fitted to what the org has, its own fields offered."""
    from mappings.initial import initial_mapping

    if file.exists() and not force:
        raise typer.BadParameter(f"{file} is there already; --force replaces it", param_hint="FILE")
    _, describes = _mapping_and_describes(context, "standard", offline)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(initial_mapping(describes), "utf-8")

    def human(console: Console) -> None:
        console.print(f"wrote {file}; next: rebates mapping check {file}")

    emit("mapping init", {"file": file}, as_json=as_json, human=human)


@app.command()
def explain(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ENTITY.NAME", help="As in order.ordered_on.")],
    record: Annotated[
        str | None, typer.Option("--id", help="Which record (left out: the first one).")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", help="A mapping file instead of the one configured.")
    ] = None,
    login_again: LoginAgain = False,
    as_json: JsonFlag = False,
) -> None:
    """Follow one record of the org through one line of the mapping, step by step."""
    from cli.opening import opened
    from mappings.file import read_mapping
    from mappings.soql import select
    from mappings.walkthrough import walk

    with opened(context, quiet=True, login_again=login_again) as application:
        mapping = read_mapping(file, application.alias) if file else application.mapping
        entity, left = _left_side(mapping, name)
        try:
            query = select(entity, id_in=[record] if record else (), limit=1)
        except ValueError as error:
            raise typer.BadParameter(f'"{record}" is {error}', param_hint="--id") from error
        page = next(iter(application.org.query(query, include_deleted=True)), None)
    if page is None or not page.table.num_rows:
        raise typer.BadParameter(f"the org has no such {entity.entity}", param_hint="--id")
    row = {column: page.table.column(column)[0].as_py() for column in page.table.column_names}
    steps = walk(entity, left, mapping, row)

    def human(console: Console) -> None:
        console.print(f"{entity.object} {row['Id']}")
        for step in steps:
            console.print(f"  {step.what:<32} {'(empty)' if step.value is None else step.value}")

    data = {"object": entity.object, "id": row["Id"], "steps": steps}
    emit("mapping explain", data, as_json=as_json, human=human)


@app.command("permission-set")
def permission_set(
    context: typer.Context, file: FileArgument = None, offline: Offline = None, as_json: JsonFlag = False
) -> None:
    """Print a permission set that can read exactly the mapped fields and edit the written ones (metadata XML)."""
    from mappings.permissions import permission_set_xml

    if offline is None and not _org_is_configured(context):
        from mappings.file import read_mapping

        made = permission_set_xml(read_mapping(*_path_and_alias(context, file)))
    else:
        made = permission_set_xml(*_mapping_and_describes(context, file, offline))
    emit_text("mapping permission-set", {"xml": made}, made, as_json=as_json)


@app.command()
def schema(as_json: JsonFlag = False) -> None:
    """Print a JSON Schema of mapping files, for editors that complete TOML."""
    import json

    from mappings.editor_schema import mapping_schema

    made = mapping_schema()
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    emit_text("mapping schema", made, text, as_json=as_json)


def _mapping_and_describes(
    context: typer.Context, file: str | None, offline: Path | None, login_again: bool = False
) -> tuple[Mapping, Describes]:
    """The mapping, and what the org (or the folder) says of every object that it touches."""
    from mappings.check import gather
    from mappings.file import read_mapping
    from mappings.snapshot import UnreadableSnapshot, read_snapshot

    if offline is not None:
        path, alias = _path_and_alias(context, file)
        try:
            return read_mapping(path, alias), read_snapshot(offline)
        except UnreadableSnapshot as error:
            raise typer.BadParameter(str(error), param_hint="--offline") from error
    from cli.opening import opened

    with opened(context, quiet=True, login_again=login_again) as application:
        mapping = read_mapping(file, application.alias) if file else application.mapping
        return mapping, gather(mapping, application.org.describe)


def _currencies(context: typer.Context) -> dict[str, str]:
    """Of the programs that can be read and have not ended; a mapping can be checked before there is one."""
    from cli.opening import opened
    from jobs.refusals import Refused

    with opened(context, quiet=True) as application:
        try:
            today, given = application.local_day(), application.programs.programs
            return {program.key: program.currency for program in given if program.ends >= today}
        except Refused:
            return {}


def _unused(context: typer.Context) -> dict[str, tuple[str, ...]]:
    """Words that the programs come to no payout with; of programs that cannot be read anything may come."""
    from cli.opening import opened
    from jobs.payout_types import unused
    from jobs.refusals import Refused

    with opened(context, quiet=True) as application:
        try:
            return dict(unused(application.programs.programs))
        except Refused:
            return {}


def _statuses(context: typer.Context, mapping: Mapping) -> Sequence[TaskStatus]:
    """Of tasks, where the mapping names one of them."""
    from cli.opening import opened
    from jobs.task_statuses import offered

    if not any(target.closed_status for target in mapping.push.values()):
        return ()
    with opened(context, quiet=True) as application:
        return offered(application)


def _left_side(mapping: Mapping, name: str) -> tuple[PullEntity, str]:
    """The entity and the left-hand name of `order.ordered_on`."""
    from mappings.problems import did_you_mean

    entity_name, _, left = name.partition(".")
    names = [f"{entity}.{field}" for entity, pulled in mapping.pull.items() for field in pulled.fields]
    if name not in names:
        raise typer.BadParameter(
            f'the mapping reads nothing as "{name}"; {did_you_mean(name, names) or "names are as in order.status"}',
            param_hint="ENTITY.NAME",
        )
    return mapping.pull[entity_name], left


def _path_and_alias(context: typer.Context, file: str | None) -> tuple[str, str | None]:
    """Which file, and whose overrides: with a file named, no configuration is needed."""
    alias: str | None = (context.find_root().obj or {}).get("org")
    if file is not None:
        return file, alias
    from cli.opening import configuration_of

    return str(configuration_of(context).settings.mapping), alias


def _org_is_configured(context: typer.Context) -> bool:
    from cli.opening import configuration_of

    return bool(configuration_of(context).settings.org)


def _refusal(message: str) -> dict[str, Any]:
    return {"code": "mapping", "message": message, "hint": "mend the lines shown, then run this again"}
