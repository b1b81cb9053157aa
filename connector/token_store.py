"""Where a refresh token is kept that the org replaces at every use."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from connector.secrets import write_keyring


class TokenStore(Protocol):
    """Keeps a refresh token that the org replaces at every use."""

    @property
    def lock(self) -> Path | None:
        """A file that whoever uses the token holds meanwhile; None: only one process ever does."""

    def load(self) -> str | None: ...
    def save(self, refresh_token: str) -> None:
        """Must be durable on return: the old token is worthless from now on."""


class FileTokenStore:
    """The refresh token in a file of mode 0600, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lock = path.with_name(f".{path.name}.lock")  # the file itself is replaced, and its locks with it

    def load(self) -> str | None:
        return self._path.read_text(encoding="utf-8").strip() or None if self._path.exists() else None

    def save(self, refresh_token: str) -> None:
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".token-")  # created with mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(refresh_token + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        with suppress(OSError):  # the new name, too, outlives a loss of power, where folders can be synced
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


class KeyringTokenStore:
    """The refresh token in the keyring entry that the configuration names."""

    def __init__(self, name: str, base: Path | None = None) -> None:
        self._name = name
        # Processes of one configuration share the entry; a keyring has no lock of its own.
        self.lock = (base or Path.home()) / f".rebate-sync-{quote(name, safe='')}.lock"

    def load(self) -> str | None:
        """Nothing of its own: the reference in the configuration leads to the same entry."""
        return None

    def save(self, refresh_token: str) -> None:
        write_keyring(self._name, refresh_token)
