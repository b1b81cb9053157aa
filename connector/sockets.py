"""Connections that notice when the other side is gone: a silence of minutes is usual here, and some routers forget a
connection that says nothing for less."""

from __future__ import annotations

import socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

PROBE_AFTER_SECONDS = 30
PROBE_EVERY_SECONDS = 15
PROBES = 4  # without an answer: the connection is dead


def _options() -> list[tuple[int, int, int]]:
    options = [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    # Each system has its own names for the rest; where one lacks, its own default holds.
    for names, value in (
        (("TCP_KEEPIDLE", "TCP_KEEPALIVE"), PROBE_AFTER_SECONDS),
        (("TCP_KEEPINTVL",), PROBE_EVERY_SECONDS),
        (("TCP_KEEPCNT",), PROBES),
    ):
        known = next((getattr(socket, name) for name in names if hasattr(socket, name)), None)
        if known is not None:
            options.append((socket.IPPROTO_TCP, known, value))
    return options


class KeepingAdapter(HTTPAdapter):
    """Sends a sign of life while nothing else is said."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, socket_options=_options(), **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, socket_options=_options(), **kwargs)
