"""A session for the peers: the emulator's connected app, client credentials."""

from __future__ import annotations

import requests

CLIENT_ID = "3MVG9emulatorRebateSync"
CLIENT_SECRET = "emulator-client-secret"  # noqa: S105


def session_of(url: str) -> str:
    """An access token of the served org."""
    reply = requests.post(
        f"{url}/services/oauth2/token",
        data={"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
        timeout=30,
    )
    reply.raise_for_status()
    return str(reply.json()["access_token"])
