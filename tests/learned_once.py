"""What each process of ours learns once and keeps, and tests would learn again for every command and every store they open.

- How our statements are spelled: SQLAlchemy keeps that for each engine, and every command opens one.
- What the command line looks like: Typer reads all commands' annotations before each one.
- The key of the app: OpenSSL checks that an RSA key is sound, for 50 ms, at every login.

None of it depends on what a test does: a statement's key is its structure and its dialect.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any
from unittest.mock import patch

import jwt.algorithms
import sqlalchemy
import typer.main
from cryptography.hazmat.primitives import serialization
from sqlalchemy.util import LRUCache

import state.postgres
import state.store

STATEMENTS = 5_000


class Spellings(LRUCache[Any, Any]):
    """Compiled statements by what they say and the kind of dialect, whichever engine asks."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((type(key[0]), *key[1:]), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__((type(key[0]), *key[1:]), value)


@contextmanager
def learned_once() -> Iterator[None]:
    spellings: Any = Spellings(STATEMENTS)
    commands: dict[Any, Any] = {}
    read_command_line = typer.main.get_command

    def engine(*args: Any, **named: Any) -> sqlalchemy.Engine:
        made = sqlalchemy.create_engine(*args, **named)
        made._compiled_cache = spellings
        return made

    def command_line(of: typer.Typer) -> Any:
        shape = (id(of), len(of.registered_commands), len(of.registered_groups))
        if shape not in commands:
            commands[shape] = (of, read_command_line(of))  # kept alive: its id is the key
        return commands[shape][1]

    sound_key = lru_cache(serialization.load_pem_private_key)
    with ExitStack() as patched:
        for module in (state.store, state.postgres):
            patched.enter_context(patch.object(module, "create_engine", engine))
        patched.enter_context(patch.object(typer.main, "get_command", command_line))
        for module in (jwt.algorithms, serialization):
            patched.enter_context(patch.object(module, "load_pem_private_key", sound_key))
        yield
