"""A scripted org on loopback: real sockets, and every reply exactly as a test wants it."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connector.config import OrgSettings
from connector.org import SalesforceOrg

ORG_ID = "00D5g000001AbCdEAK"
USER_ID = "0055g00000AbCdEAAV"


class FakeClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
        self.ticks = 1000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.ticks

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ticks += seconds
        self.at += timedelta(seconds=seconds)


@dataclass
class Asked:
    """One request as the scripted org saw it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def params(self) -> dict[str, str]:
        return {k: v[0] for k, v in parse_qs(urlsplit(self.target).query, keep_blank_values=True).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return {k: v[0] for k, v in parse_qs(self.body.decode()).items()}


@dataclass
class Reply:
    """What it answers. `raw` replaces everything, byte by byte; `drop` closes the connection unanswered."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    drop: bool = False


def reply(value: Any = None, status: int = 200, **headers: str) -> Reply:
    body = b"" if value is None else json.dumps(value).encode()
    return Reply(
        status,
        body,
        {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}},
    )


def refusal(code: str, status: int = 400, message: str = "no") -> Reply:
    return reply([{"message": message, "errorCode": code}], status)


def csv_reply(text: str, rows: int | None = None, locator: str | None = "null") -> Reply:
    headers = {"Content-Type": "text/csv"}
    if rows is not None:
        headers["Sforce-NumberOfRecords"] = str(rows)
    if locator is not None:
        headers["Sforce-Locator"] = locator
    return Reply(200, text.encode(), headers)


Answer = Reply | Callable[[Asked], Reply]


class ScriptedOrg:
    """Answers by method and path prefix; the longest prefix wins; a list is used up one by one, its last stays."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked: list[Asked] = []
        self.limit_info: str | None = "api-usage=18/5000"
        self.date: Callable[[], datetime] | None = clock.now
        self.tokens = 0
        self._script: dict[tuple[str, str], list[Answer]] = {}
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._main = threading.Thread(target=self._accept, daemon=True)
        self._main.start()
        self.on("POST", "/services/oauth2/token", self.give_token)
        self.on(
            "GET",
            "/services/data/",
            reply([{"version": v, "label": v, "url": "/"} for v in ("67.0", "68.0")]),
        )

    def on(self, method: str, prefix: str, *answers: Answer) -> None:
        self._script[(method, prefix)] = list(answers)

    def data(self, method: str, path: str, *answers: Answer) -> None:
        self.on(method, f"/services/data/v68.0/{path}", *answers)

    def calls(self, prefix: str = "/", method: str | None = None) -> list[Asked]:
        full = prefix if prefix.startswith("/") else f"/services/data/v68.0/{prefix}"
        return [a for a in self.asked if a.path.startswith(full) and method in (None, a.method)]

    def token_body(self, **changes: Any) -> dict[str, Any]:
        return {
            "access_token": f"00D!canary-token-{self.tokens}",
            "instance_url": self.url,
            "id": f"https://login.salesforce.com/id/{ORG_ID}/{USER_ID}",
            "token_type": "Bearer",
            "issued_at": "1764000000000",
            "signature": "x",
            **changes,
        }

    def give_token(self, _: Asked) -> Reply:
        self.tokens += 1
        return reply(self.token_body())

    def close(self) -> None:
        for one in (self._socket, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits on it
        self._socket.close()
        self._main.join(2)
        for thread in self._threads:
            thread.join(2)

    # --- sockets ----------------------------------------------------------------------------------------
    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        try:
            with peer, peer.makefile("rb") as source:
                while (asked := self._read(source)) is not None:
                    answer = self._answer(asked)
                    if answer.drop:
                        return
                    if answer.raw is not None:
                        peer.sendall(answer.raw)
                        return
                    peer.sendall(self._head(answer) + answer.body)
        except OSError:
            return

    def _read(self, source: Any) -> Asked | None:
        line = source.readline()
        if not line:
            return None
        method, target, _ = line.decode().split(" ")
        headers: dict[str, str] = {}
        while (header := source.readline().decode().rstrip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        return Asked(method, target, headers, source.read(int(headers.get("content-length", 0))))

    def _answer(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            fits = [
                key
                for key in self._script
                if key[0] == asked.method and unquote(asked.path).startswith(key[1])
            ]
            if not fits:
                return refusal("NOT_FOUND", 404)
            answers = self._script[max(fits, key=lambda key: len(key[1]))]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer(asked) if callable(answer) else answer

    def _head(self, answer: Reply) -> bytes:
        headers = {"Content-Length": str(len(answer.body)), **answer.headers}
        if self.date is not None:
            headers.setdefault("Date", format_datetime(self.date(), usegmt=True))
        if self.limit_info is not None:
            headers.setdefault("Sforce-Limit-Info", self.limit_info)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {answer.status} X\r\n{lines}\r\n".encode()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def scripted(clock: FakeClock) -> Iterator[ScriptedOrg]:
    org = ScriptedOrg(clock)
    yield org
    org.close()


@pytest.fixture(scope="session")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def key_file(tmp_path: Path, private_key: str) -> Path:
    path = tmp_path / "org.key"
    path.touch(mode=0o600)
    path.write_text(private_key)
    return path


@pytest.fixture
def settings(scripted: ScriptedOrg, key_file: Path) -> OrgSettings:
    return OrgSettings(
        alias="test",
        instance_url=scripted.url,
        client_id="app",
        username="sync@example.com",
        private_key=f"file:{key_file}",
        org_id=ORG_ID,
    )


@pytest.fixture
def events() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
def log(events: list[Any]) -> Any:
    return structlog.get_logger()


@pytest.fixture
def connect(clock: FakeClock, log: Any) -> Iterator[Callable[..., SalesforceOrg]]:
    opened: list[SalesforceOrg] = []

    def _connect(settings: OrgSettings, **more: Any) -> SalesforceOrg:
        more.setdefault("environ", {})
        org = SalesforceOrg.connect(settings, clock=clock, rng=random.Random(7), log=log, **more)
        opened.append(org)
        return org

    yield _connect
    for org in opened:
        org.close()


@pytest.fixture
def org(connect: Callable[..., SalesforceOrg], settings: OrgSettings) -> SalesforceOrg:
    return connect(settings)


class Make:
    """Replies, for tests (test modules cannot import from here)."""

    Reply = Reply
    reply = staticmethod(reply)
    refusal = staticmethod(refusal)
    csv = staticmethod(csv_reply)


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make
