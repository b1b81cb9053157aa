"""`rebates emulator`: starts the local Salesforce look-alike as a program of its own."""

from __future__ import annotations

import subprocess
import sys

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
    process = subprocess.Popen([sys.executable, "-m", "emulator", *context.args])
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        code = process.wait()
    raise typer.Exit(code)
