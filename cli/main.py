"""The command tree. Each command imports its work when it runs, so that `--help` stays quick."""

from __future__ import annotations

import gc
import re
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import TyperException

from cli import streams
from cli.output import Exit, envelope, stderr, styled

app = typer.Typer(
    name="rebates",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done · 1 failed · 2 usage, configuration, mapping or program · 3 done, rows set aside or put off · "
    "4 authentication · 5 API budget reached · 6 another run holds the lock · 130 interrupted, state saved",
)

# A batch makes many objects and no cycles: looking for some after every 700 took a tenth of a compute.
OBJECTS_BETWEEN_LOOKS = 50_000


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        sys.stdout.write(f"rebates {version('rebate-sync')}\n")
        raise typer.Exit(0)


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
    config: Annotated[
        str | None, typer.Option("--config", help="Configuration file instead of rebates.toml here or above.")
    ] = None,
    org: Annotated[str | None, typer.Option("--org", help="Alias of the org, as in \\[org.ALIAS].")] = None,
) -> None:
    """Reads orders out of Salesforce, works out every partner's rebate to the cent, and shows it on the account."""
    context.obj = {"config": config, "org": org}


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script: runs one command and exits with its code."""
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS, 20, 20)
    args = list(sys.argv[1:] if arguments is None else arguments)
    stdout, stderr = streams.prepare()
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    code = run(args)
    stdout.flush()
    if stdout.failed is not None:
        stderr.write(f"error: the result could not be written: {stdout.failed.strerror}\n")
        code = code or Exit.FAILED
    stderr.flush()
    sys.exit(code)


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    """Whoever ends a command reads the same as who interrupts it."""
    raise KeyboardInterrupt


def run(args: Sequence[str]) -> int:
    """Run one command line; every exception becomes words and an exit code here."""
    from cli.commands import register

    register(app)
    try:
        code = app(args=list(args), prog_name="rebates", standalone_mode=False)
        if code == Exit.INTERRUPTED:  # that is how typer tells of a Ctrl-C which nobody else took
            return _interrupted(args)
        return int(code) if isinstance(code, int) else Exit.OK
    except TyperException as error:
        path = getattr(getattr(error, "ctx", None), "command_path", None) or "rebates"
        return _fail(args, int(error.exit_code), "usage", _usage(error.format_message()), f"{path} --help")
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted(args)
    except Exception as error:
        from cli.errors import explain

        said = explain(error)
        if said is None:
            raise
        return _fail(args, said.exit_code, said.code, said.message, said.hint, said.details)


def _interrupted(args: Sequence[str]) -> int:
    return _fail(args, Exit.INTERRUPTED, "interrupted", "Stopped; what was saved stays saved.", None)


def _usage(message: str) -> str:
    """A usage error as typer says it, without the name of its exception, and with the choice that was probably meant."""
    from jobs.configuration import suggest

    said = message.replace("Value error, ", "")
    choice = re.search(r"'([^']*)' is not one of (.*)\.$", said)
    meant = suggest(choice[1], re.findall(r"'([^']*)'", choice[2])) if choice else None
    return said if meant is None else f"{said} {meant[0].upper()}{meant[1:]}"


def _fail(
    args: Sequence[str], exit_code: int, code: str, message: str, hint: str | None, details: object = None
) -> int:
    if "--json" in args:
        error = {
            "code": code,
            "message": message,
            "hint": hint,
            **(details if isinstance(details, dict) else {}),
        }
        sys.stdout.write(envelope(_command_of(args), error=error) + "\n")
    else:
        console = stderr()
        console.print(styled(("error:", "bold red"), f" {message}"))
        if hint:
            console.print(styled("  ", ("→", "dim"), f" {hint}"))
    return int(exit_code)


def _command_of(args: Sequence[str]) -> str:
    """The command's name as its results call it, whatever stands before and behind it: `--org eu explain ACME` is `explain`."""
    names = {
        command.name or (command.callback.__name__ if command.callback else "")
        for command in app.registered_commands
    }
    groups = {group.name for group in app.registered_groups}
    for at, word in enumerate(args):
        if word in names:
            return word
        if word in groups:
            return " ".join([word, *(part for part in args[at + 1 : at + 2] if not part.startswith("-"))])
    return ""


if __name__ == "__main__":
    main()
