"""The refresh token of one org: what is stored counts, one process at a time uses it, and what replaces it is stored.

Where the org replaces it at every use, several processes share it (a scheduler, a command, a worker). A process that
used a token which another had spent meanwhile would end the grant for all of them: Salesforce takes it for stolen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from connector.config import OrgSettings
from connector.errors import Misconfigured, Transient
from connector.port import Clock
from connector.secrets import parse_reference, required
from connector.token_store import FileTokenStore, KeyringTokenStore, TokenStore

if sys.platform != "win32":
    import fcntl

LOOK_AGAIN_SECONDS = 0.05  # a login takes about a second


class RefreshToken:
    """What the login of one org sends and keeps. `store`: where else than in the configuration's place."""

    def __init__(
        self, settings: OrgSettings, *, environ: Mapping[str, str], base: Path | None, clock: Clock,
        log: FilteringBoundLogger, store: TokenStore | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._environ = environ
        self._base = base
        self._clock = clock
        self._log = log
        self._store = store or self._own_place()
        self._unsaved: tuple[str, str] | None = None  # (what is still stored, what replaced it)

    def current(self) -> str:
        """The stored one, whoever stored it; our own only while the store still has what it replaced."""
        stored = self._stored()
        if self._unsaved is not None and self._unsaved[0] == stored:
            return self._unsaved[1]
        return stored

    def keep(self, token: object) -> None:
        """Store what the org sent in place of the one that was used, if it did. Raises Misconfigured."""
        if not isinstance(token, str) or not token or token == self.current():
            return
        self._unsaved = self._stored(), token
        if self._store is None:
            self._log.error("auth.rotated_not_stored", org=self._settings.alias)
            return
        try:
            self._store.save(token)  # before the access token is used: the old refresh token is spent
        except OSError as error:
            raise Misconfigured(
                "TOKEN_NOT_STORED",
                detail=f"the new refresh token could not be kept ({error.strerror}); the old one is spent",
                hint="Free the disk or mend the rights of its folder, then authorize the app once more",
            ) from None
        self._unsaved = None
        self._log.info("auth.rotated", org=self._settings.alias)

    @contextmanager
    def held(self, deadline: float) -> Iterator[None]:
        """From reading the token until its successor is stored, no other process of this machine uses it. Raises Transient."""
        file = self._lock_file()
        with nullcontext() if file is None else _locked(file, self._clock, deadline):
            yield

    def _stored(self) -> str:
        stored = self._store.load() if self._store is not None else None
        if stored is not None:
            return stored
        return required(
            self._settings.refresh_token, alias=self._settings.alias, environ=self._environ, base=self._base
        )

    def _own_place(self) -> TokenStore | None:
        """Where the refresh token came from, it is kept when the org replaces it; an environment keeps nothing."""
        if self._settings.auth != "refresh_token" or self._settings.refresh_token is None:
            return None
        kind, rest = parse_reference(self._settings.refresh_token)
        if kind == "keyring":
            return KeyringTokenStore(rest, self._base)
        if kind != "file":
            return None
        path = Path(rest).expanduser()
        return FileTokenStore(path if path.is_absolute() or self._base is None else self._base / path)

    def _lock_file(self) -> int | None:
        """None: there is nowhere to lock, as for a token in the environment, which nobody can replace."""
        if self._store is None or self._store.lock is None or sys.platform == "win32":
            return None
        try:
            return os.open(self._store.lock, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        except OSError as error:  # a folder that cannot be written to says so itself when the token is stored
            self._log.warning("auth.not_locked", org=self._settings.alias, reason=error.strerror)
            return None


@contextmanager
def _locked(file: int, clock: Clock, deadline: float) -> Iterator[None]:
    """The kernel's lock on an open file; that of a process which was killed ends with it."""
    try:
        while not _taken(file):
            if clock.monotonic() >= deadline:
                raise Transient(
                    "LOGIN_BUSY", detail="another process is logging in with this refresh token", sent=False
                )
            clock.sleep(LOOK_AGAIN_SECONDS)
        yield
    finally:
        os.close(file)


def _taken(file: int) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without such locks
    return True
