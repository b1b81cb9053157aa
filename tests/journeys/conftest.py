"""A world for journeys: an org behind real HTTP, a folder with its configuration, and the command line in it."""

from __future__ import annotations

import io
import json
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from worlds import postgres_database

from cli.main import run
from emulator.clock import MovableClock
from emulator.org import Org
from emulator.seed_story import seed_story
from emulator.server import Served, serve, start
from emulator.write_config import write_config
from jobs.clock import SystemClock
from state import rebasing

TODAY = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
PROGRAMS = Path("programs").resolve()
USER = "integration@northwind.example"
DATABASES = ("org.db", "rebates.db")


@dataclass
class Done:
    """One finished command."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)["data"]

    @property
    def warnings(self) -> Any:
        return json.loads(self.out)["warnings"]

    @property
    def error(self) -> Any:
        return json.loads(self.out)["error"]

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass
class World:
    """An org that is being served, and a user at the command line."""

    org: Org
    url: str
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    clock: MovableClock
    extra: list[str] = field(default_factory=list)

    def __call__(self, *args: str) -> Done:
        """`world("sync", "--json")`: the command line, at the org's time of day."""
        self.monkeypatch.setenv("REBATES_CLOCK", self.clock().isoformat())
        self.capsys.readouterr()
        code = run([*self.extra, *args])
        out, err = self.capsys.readouterr()
        return Done(int(code), out, err)

    def wait(self, **how_long: float) -> None:
        """Time passes, for the org and for us."""
        self.clock.advance(**how_long)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What the org itself has, asked for in its own process: no code of ours between."""
        from emulator.auth import login
        from emulator.router import Request

        headers = {"Authorization": f"Bearer {login(self.org, USER)}"}
        address = f"/services/data/v68.0/query?{urlencode({'q': query})}"
        reply = self.org.handle(Request.to("GET", address, headers))
        assert reply.status == 200, reply.body
        body = json.loads(reply.body, parse_float=str)
        assert body["done"], "ask for fewer rows"
        return [{k: v for k, v in row.items() if k != "attributes"} for row in body["records"]]

    def change(self, sobject: str, record_id: str, fields: dict[str, Any]) -> None:
        """A person in the org changes a record (one who may see our fields)."""
        self._handle("PATCH", f"sobjects/{sobject}/{record_id}", fields, expect=204)

    def create(self, sobject: str, fields: dict[str, Any]) -> str:
        """A person in the org makes a record; its id."""
        return str(self._handle("POST", f"sobjects/{sobject}", fields, expect=201)["id"])

    def delete(self, sobject: str, record_id: str) -> None:
        """A person in the org deletes a record."""
        self._handle("DELETE", f"sobjects/{sobject}/{record_id}", None, expect=204)

    def _handle(self, method: str, path: str, body: dict[str, Any] | None, *, expect: int) -> Any:
        from emulator.auth import login
        from emulator.router import Request

        headers = {"Authorization": f"Bearer {login(self.org, USER)}", "Content-Type": "application/json"}
        content = json.dumps(body).encode() if body is not None else b""
        reply = self.org.handle(Request.to(method, f"/services/data/v68.0/{path}", headers, content))
        assert reply.status == expect, reply.body
        return json.loads(reply.body) if reply.body else None

    def config(self, text: str) -> None:
        """Add to the configuration file."""
        path = self.folder / "rebates.toml"
        path.write_text(path.read_text() + "\n" + text)


@pytest.fixture(scope="session")
def app_key() -> bytes:
    """The private key of the app in every org: making one takes longer than a sync."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


@pytest.fixture
def open_world(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    leaving: list[Callable[[], None]],
    app_key: bytes,
) -> Iterator[Callable[[Org, MovableClock], World]]:
    """Serves an org and writes its configuration; all is closed at the end of the test."""
    opened: list[Served] = []

    def open_(org: Org, clock: MovableClock) -> World:
        opened.append(start(org))
        url = opened[-1].url
        configure(org, url, tmp_path, app_key)
        monkeypatch.chdir(tmp_path)
        return World(org, url, tmp_path, monkeypatch, capsys, clock)

    yield open_
    while leaving:
        leaving.pop(0)()
    for served in opened:
        served.leave()
        leaving.extend((served.close, served.org.close))


def configure(org: Org, url: str, folder: Path, key: bytes) -> None:
    """What the administrator writes down: the configuration and the key of the app."""
    file = folder / "rebates.key"
    if not file.exists():
        file.touch(0o600)
        file.write_bytes(key)
    write_config(org, url, folder / "rebates.toml", USER, PROGRAMS)


@pytest.fixture
def new_world(open_world: Callable[[Org, MovableClock], World]) -> Callable[..., World]:
    """Makes worlds: `new_world(seed)` where `seed(org)` fills the org."""

    def make(seed: Callable[[Org], object] | None = None) -> World:
        clock = MovableClock(TODAY - timedelta(seconds=5))
        org = Org.create(clock=clock, seed=7)
        if seed is not None:
            seed(org)
        clock.advance(seconds=5)
        return open_world(org, clock)

    return make


@dataclass
class Template:
    """A folder with an org in a file and the key of its app, and the moment at which it was left."""

    folder: Path
    left_at: datetime


@pytest.fixture(scope="session")
def left_after(tmp_path_factory: pytest.TempPathFactory, app_key: bytes) -> Callable[..., Template]:
    """`left_after("story", seed, ["org", "deploy"], …)`: an org that `seed(org)` fills, as it is left by commands."""

    def live(
        name: str,
        seed: Callable[[Org], object],
        *commands: list[str],
        environment: dict[str, str] | None = None,
    ) -> Template:
        folder = tmp_path_factory.mktemp(name)
        clock = MovableClock(TODAY - timedelta(seconds=5))
        org = Org.create(folder / "org.db", clock=clock, seed=7)
        seed(org)
        clock.advance(seconds=5)
        with serve(org) as served, pytest.MonkeyPatch.context() as patch:
            configure(org, served.url, folder, app_key)
            patch.chdir(folder)
            for variable, value in {"REBATES_CLOCK": clock().isoformat(), **(environment or {})}.items():
                patch.setenv(variable, value)
            for command in commands:
                said = io.StringIO()
                with redirect_stdout(said), redirect_stderr(said):
                    assert int(run(command)) == 0, said.getvalue()
        org.close()
        return Template(folder, clock())

    return live


@pytest.fixture(scope="session")
def deployed_story(left_after: Callable[..., Template]) -> Template:
    """The story org with the package deployed by the command line: once, for all tests that start there."""
    return left_after("story", seed_story, ["org", "deploy"])


def _lived_here(store: Path) -> None:
    """A store that was copied is noticed as a second one (`jobs.overtaken`); this one stands for the first."""
    if store.exists():
        here = f"{socket.gethostname()}:{store.resolve()}"
        with closing(sqlite3.connect(store)) as database, database:
            database.execute("UPDATE meta SET value = ? WHERE key = ?", (here, rebasing.PLACE))


@pytest.fixture
def open_copy(
    open_world: Callable[[Org, MovableClock], World], tmp_path: Path
) -> Callable[[Template], World]:
    """A world as it was left: a copy of its own."""

    def open_(left: Template) -> World:
        for name in DATABASES:
            if (left.folder / name).exists():
                shutil.copy2(left.folder / name, tmp_path / name)
        _lived_here(tmp_path / "rebates.db")
        clock = MovableClock(left.left_at)
        return open_world(Org.create(tmp_path / "org.db", clock=clock, seed=7), clock)

    return open_


@pytest.fixture
def story(open_copy: Callable[[Template], World], deployed_story: Template) -> World:
    """The story org with the package deployed."""
    return open_copy(deployed_story)


@pytest.fixture(scope="session")
def taken() -> dict[str, Template]:
    """Beginnings that were lived through once, by what they are called."""
    return {}


@pytest.fixture
def begun(
    open_copy: Callable[[Template], World],
    deployed_story: Template,
    taken: dict[str, Template],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Callable[[World], None]], World]:
    """`begun("settled", steps)`: the story after some steps. They are taken once; other tests get copies of what was left."""

    def begin(name: str, steps: Callable[[World], None]) -> World:
        if name in taken:
            return open_copy(taken[name])
        world = open_copy(deployed_story)
        steps(world)
        left = Template(tmp_path_factory.mktemp(name), world.clock())
        for database in DATABASES:
            with (
                closing(sqlite3.connect(world.folder / database)) as lived,
                closing(sqlite3.connect(left.folder / database)) as copied,
            ):
                lived.backup(copied)
        taken[name] = left
        return world

    return begin


@pytest.fixture
def synced(begun: Callable[[str, Callable[[World], None]], World]) -> World:
    """The story after its first sync."""

    def first_sync(world: World) -> None:
        done = world("sync")
        assert done.code == 0, done.text

    return begun("synced", first_sync)


@pytest.fixture
def pauses_are_jumps(monkeypatch: pytest.MonkeyPatch) -> Callable[[World], None]:
    """`pauses_are_jumps(world)`: where a command would pause before it tries again, its time and the org's go on at once."""

    def jump_in(world: World) -> None:
        def jump(clock: SystemClock, seconds: float) -> None:
            clock._shift += timedelta(seconds=seconds)
            world.wait(seconds=seconds)

        monkeypatch.setattr(SystemClock, "sleep", jump)

    return jump_in


@pytest.fixture
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test's own; skipped by name where there is no server."""
    yield from postgres_database()
