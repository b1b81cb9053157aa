"""Secrets by reference: `env:NAME`, `file:PATH` or `keyring:NAME`. A secret itself is never in a setting."""

from __future__ import annotations

import importlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from connector.errors import Misconfigured

KEYRING_SERVICE = "rebate-sync"
_FORMS = "env:NAME, file:PATH or keyring:NAME"


class SecretMissing(Misconfigured):
    """A reference that leads nowhere, or to something that others can read."""

    step = f"A secret is written as {_FORMS}"


def parse_reference(reference: str) -> tuple[str, str]:
    """`("env", "NAME")` and so on. Raises ValueError without repeating the text: it may be a pasted secret."""
    kind, colon, rest = reference.partition(":")
    if not colon or kind not in {"env", "file", "keyring"} or not rest.strip():
        raise ValueError(f"a secret is given as {_FORMS}, never as the secret itself")
    return kind, rest.strip()


def resolve(reference: str, *, environ: Mapping[str, str], base: Path | None = None) -> SecretStr:
    """The secret behind a reference. Relative files are looked for beside the configuration (`base`)."""
    try:
        kind, rest = parse_reference(reference)
    except ValueError as error:
        raise SecretMissing("SECRET_REFERENCE", detail=str(error)) from None
    match kind:
        case "env":
            value = environ.get(rest, "")
            if not value:
                raise SecretMissing("SECRET_MISSING", detail=f"environment variable {rest} is not set")
        case "file":
            value = _read_file(Path(rest).expanduser(), base)
        case _:
            value = _read_keyring(rest)
    return SecretStr(value if "PRIVATE KEY" in value else value.strip())


def required(
    reference: str | None, *, alias: str, environ: Mapping[str, str], base: Path | None = None
) -> str:
    """The same, of an org that cannot be logged in to without it."""
    if reference is None:
        raise SecretMissing("SECRET_MISSING", detail=f"[org.{alias}] lacks a secret")
    return resolve(reference, environ=environ, base=base).get_secret_value()


def _read_file(path: Path, base: Path | None) -> str:
    if base is not None and not path.is_absolute():
        path = base / path
    try:
        mode = path.stat().st_mode
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise SecretMissing(
                "SECRET_FILE_OPEN",
                detail=f"{path} can be read by others (mode {stat.S_IMODE(mode):04o})",
                hint=f"chmod 600 {path}",
            )
        value = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not text"
        raise SecretMissing("SECRET_MISSING", detail=f"{path}: {why}") from None
    if not value.strip():
        raise SecretMissing("SECRET_MISSING", detail=f"{path} is empty")
    return value


def _read_keyring(name: str) -> str:
    value = _keyring(name).get_password(KEYRING_SERVICE, name)
    if not value:
        raise SecretMissing(
            "SECRET_MISSING",
            detail=f"the keyring has no entry {name} of {KEYRING_SERVICE}",
            hint=f"keyring set {KEYRING_SERVICE} {name}",
        )
    return str(value)


def write_keyring(name: str, secret: str) -> None:
    """Replace the entry behind `keyring:NAME`."""
    _keyring(name).set_password(KEYRING_SERVICE, name, secret)


def _keyring(name: str) -> Any:
    try:
        return importlib.import_module("keyring")
    except ModuleNotFoundError:
        raise SecretMissing(
            "SECRET_MISSING",
            detail=f"keyring:{name} needs the keyring package",
            hint="Install rebate-sync[keyring], or use env: or file:",
        ) from None
