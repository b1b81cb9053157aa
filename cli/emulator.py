"""`rebates emulator`: starts the local Salesforce look-alike as a program of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import typer


def register(app: typer.Typer) -> None:
    """Hang the command on the tree."""
    app.command(
        "emulator",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
        help="Start the local Salesforce look-alike (loopback only). `rebates emulator --help` lists its options.",
    )(emulator)


def emulator(context: typer.Context) -> None:
    """Pass every argument on: the emulator imports nothing of ours, and we nothing of it."""
    arguments = with_programs(context.args, Path.cwd())
    process = subprocess.Popen([sys.executable, "-m", "emulator", *arguments])
    # Whoever ends us means the emulator; Ctrl-C reaches it by itself, in the same terminal.
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        code = process.wait()
    finally:
        signal.signal(signal.SIGTERM, before)
    raise typer.Exit(code)


def with_programs(arguments: Sequence[str], folder: Path) -> list[str]:
    """The configuration it writes names programs that are there: the folder's own, else the examples that ship."""
    from jobs.example_files import example_programs

    names = {argument.partition("=")[0] for argument in arguments}
    if "--write-config" not in names or "--programs" in names or (folder / "programs").is_dir():
        return list(arguments)
    return [*arguments, "--programs", str(example_programs())]
