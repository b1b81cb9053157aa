"""The thin HTTP edge: Starlette in front of `Org.handle`, uvicorn in a thread. Loopback only unless told.

`cut_after`, `reset` and `delay` of a reply (fault plans) are obeyed here, where sockets are.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

from emulator.dispatch import load_handlers
from emulator.router import Headers, Request, Response

if TYPE_CHECKING:
    from emulator.org import Org

Scope = dict[str, Any]


class Edge:
    """An ASGI application around one org."""

    def __init__(self, org: Org) -> None:
        self.org = org

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        request = await _read(scope, receive)
        response = await run_in_threadpool(self.org.handle, request)
        if response.delay:
            await asyncio.sleep(response.delay)
        if response.reset:
            _transport(send).abort()
            await receive()
            return
        await _write(response, send)


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read(scope: Scope, receive: Any) -> Request:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    found = Headers(headers)
    return Request(
        method=scope["method"],
        path=raw_path.split(b"?")[0].decode("latin-1"),
        query=parse_qsl(query.decode("latin-1"), keep_blank_values=True),
        headers=found,
        body=bytes(body),
        uri_length=len(raw_path) + (len(query) + 1 if query else 0),
        header_bytes=sum(len(name) + len(value) + 4 for name, value in scope["headers"]),
        base_url=f"{scope['scheme']}://{found.get('host', '127.0.0.1')}",
    )


async def _write(response: Response, send: Any) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    whole = isinstance(response.body, bytes)
    if whole and response.status not in (204, 304):
        headers.append((b"content-length", str(len(response.content())).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    sent = 0
    async for part in _parts(response):
        if response.cut_after is not None and sent + len(part) > response.cut_after:
            await send(
                {"type": "http.response.body", "body": part[: response.cut_after - sent], "more_body": True}
            )
            _transport(send).close()
            return
        sent += len(part)
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _transport(send: Any) -> asyncio.Transport:
    """The socket under a reply, to drop it on purpose; ASGI itself has no word for that."""
    found: asyncio.Transport = send.__self__.transport
    return found


async def _parts(response: Response) -> AsyncIterator[bytes]:
    if isinstance(response.body, bytes):
        if response.body and response.status not in (204, 304):
            yield response.body
        return
    async for part in iterate_in_threadpool(response.body):
        yield part


@dataclass
class Served:
    """A running emulator."""

    org: Org
    url: str
    port: int
    _server: uvicorn.Server
    _thread: threading.Thread

    def leave(self) -> None:
        """Begin to stop, which takes a fifth of a second: `close` waits for the end of it."""
        self._server.should_exit = True

    def close(self) -> None:
        """Stop listening and wait for the thread; the org stays open for whoever made it."""
        self.leave()
        self._thread.join(timeout=10)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return False


def start(
    org: Org,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: tuple[str, str] | None = None,
    *,
    anywhere: bool = False,
) -> Served:
    """Listen and return at once. `tls` is (certificate file, key file). Port 0 takes a free one."""
    if not anywhere and not is_loopback(host):
        raise ValueError(f"the emulator listens on this machine only, not on {host}")
    load_handlers()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle off (40 ms a request) only for sockets that say they are TCP
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    config = uvicorn.Config(
        Edge(org),
        log_level="error",
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        # Longer than a client's pause between two looks at a job: a connection that is closed just as it is used again
        # would look like a fault that nobody ordered.
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=256 * 1024,
        http="h11",
        ws="none",
        timeout_graceful_shutdown=2,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )
    server = uvicorn.Server(config)
    bound = int(listener.getsockname()[1])
    ready = threading.Event()
    thread = threading.Thread(target=_run, args=(server, listener, ready), name="emulator", daemon=True)
    thread.start()
    ready.wait(timeout=10)
    shown = f"[{host}]" if ":" in host else host
    return Served(org, f"{'https' if tls else 'http'}://{shown}:{bound}", bound, server, thread)


def _run(server: uvicorn.Server, listener: socket.socket, ready: threading.Event) -> None:
    async def serve() -> None:
        task = asyncio.ensure_future(server.serve(sockets=[listener]))
        while not server.started and not task.done():
            await asyncio.sleep(0.002)
        ready.set()
        await task

    try:
        asyncio.run(serve())
    finally:
        ready.set()
        listener.close()


@contextmanager
def serve(
    org: Org, host: str = "127.0.0.1", port: int = 0, tls: tuple[str, str] | None = None
) -> Iterator[Served]:
    """`with serve(org) as served: … served.url`."""
    served = start(org, host, port, tls)
    try:
        yield served
    finally:
        served.close()
