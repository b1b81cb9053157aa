"""`--write-config`: a rebates.toml and its key, ready to deploy to and sync with this emulator.

The emulator knows nothing of the program that reads the file; this is the one page where it writes its words.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from emulator.oauth_apps import ConnectedApp, register_app
from emulator.tls import private_file

if TYPE_CHECKING:
    from emulator.org import Org

CLIENT_ID = "3MVG9emulatorRebateSync"
CLIENT_SECRET = "emulator-client-secret"
API_VERSION = "68.0"


def write_config(
    org: Org, url: str, path: Path, username: str, programs: Path | None, ca_file: Path | None = None
) -> Path:
    """Write `path` and `<stem>.key` beside it (0600), and register the app with the key's public half; the key's path.

    `ca_file` is the authority to trust when the org is served over TLS. An existing file is replaced; a key that is
    there already stays, so that copies of it go on working.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    key_path = path.with_suffix(".key")
    if key_path.exists():
        loaded = serialization.load_pem_private_key(key_path.read_bytes(), None)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise ValueError(f"{key_path} is no RSA key; remove it, or choose another --write-config")
        key = loaded
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        plain = serialization.NoEncryption()
        private_file(
            key_path,
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
        )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    register_app(org, ConnectedApp(CLIENT_ID, CLIENT_SECRET, key_pem=public.decode(), run_as=username))
    folder = str((programs or Path("programs")).resolve())
    text = _text(org.id, url, username, key_path, path.parent / "rebates.db", folder, ca_file)
    path.write_text(text, "utf-8")
    return key_path


def _text(
    org_id: str, url: str, username: str, key: Path, database: Path, programs: str, ca_file: Path | None
) -> str:
    def quoted(value: str) -> str:
        return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML basic string

    trusted = f"ca_file = {quoted(str(ca_file.resolve()))}\n" if ca_file else ""
    return f"""\
# Written by the emulator. `rebates org deploy`, then `rebates sync`.
default_org = "main"
mapping = "standard"
programs = {quoted(programs)}

[org.main]
instance_url = {quoted(url)}
token_url = {quoted(url + "/services/oauth2/token")}
audience = {quoted(url)}
auth = "jwt"
client_id = {quoted(CLIENT_ID)}
username = {quoted(username)}
private_key = {quoted(f"file:{key}")}
org_id = {quoted(org_id)}
api_version = {quoted(API_VERSION)}
api_budget_share = 0.5
{trusted}
[state]
url = {quoted(f"sqlite:///{database}")}
"""
