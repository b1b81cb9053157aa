"""TLS is always verified; a company's own certificates and proxy are said explicitly, never taken from around us."""

from __future__ import annotations

import ipaddress
import random
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from connector.config import OrgSettings
from connector.errors import AuthenticationFailed, Misconfigured
from connector.org import SalesforceOrg


@pytest.fixture(scope="module")
def certificate(private_key: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that signs itself, for 127.0.0.1, with its key behind it."""
    key = serialization.load_pem_private_key(private_key.encode(), None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "look-alike")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())  # type: ignore[arg-type]
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())  # type: ignore[arg-type]
    )
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    path.write_text(made.public_bytes(serialization.Encoding.PEM).decode() + private_key)
    return path


class Refuses(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.asked += 1  # type: ignore[attr-defined]
        self.send_response(400)
        body = b'{"error":"invalid_grant"}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def server(certificate: Path) -> Iterator[HTTPServer]:
    made = HTTPServer(("127.0.0.1", 0), Refuses)
    made.asked = 0  # type: ignore[attr-defined]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def log_in(server: HTTPServer, clock: Any, log: Any, key: str, **more: Any) -> None:
    settings = OrgSettings(
        alias="tls",
        instance_url=f"https://127.0.0.1:{server.server_port}",
        client_id="app",
        username="u",
        private_key="env:K",
        **more,
    )
    SalesforceOrg.connect(settings, clock=clock, rng=random.Random(1), log=log, environ={"K": key})


def test_a_certificate_nobody_vouches_for_is_refused_before_anything_is_sent(
    server: Any, clock: Any, log: Any, private_key: str, monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(certificate))
    with pytest.raises(Misconfigured) as caught:
        log_in(server, clock, log, private_key)
    assert caught.value.code == "TLS_REFUSED"
    assert "ca_file" in caught.value.hint
    assert server.asked == 0


def test_certificates_of_our_own_are_trusted_when_they_are_named(
    server: Any, clock: Any, log: Any, private_key: str, certificate: Path
) -> None:
    with pytest.raises(AuthenticationFailed):
        log_in(server, clock, log, private_key, ca_file=str(certificate))
    assert server.asked >= 1  # twice when our clock differs from its Date
    with pytest.raises(Misconfigured, match="CA_FILE"):
        log_in(server, clock, log, private_key, ca_file="missing.pem")


def test_proxies_and_netrc_of_the_environment_are_not_used(
    scripted: Any, connect: Any, settings: OrgSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.touch(mode=0o600)
    netrc.write_text("machine 127.0.0.1 login thief password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    connect(settings)
    assert all("basic" not in asked.headers.get("authorization", "").lower() for asked in scripted.asked)
    assert scripted.asked


def test_a_proxy_that_is_named_is_used_for_the_org(
    clock: Any, log: Any, private_key: str, scripted: Any
) -> None:
    settings = OrgSettings(
        alias="p",
        instance_url="https://acme.my.salesforce.com",
        client_id="app",
        username="u",
        private_key="env:K",
        proxy=scripted.url,
        timeouts={"call": 1},
    )
    with pytest.raises(Exception, match="NO_CONNECTION"):
        SalesforceOrg.connect(
            settings, clock=clock, rng=random.Random(1), log=log, environ={"K": private_key}
        )
    assert {(asked.method, asked.target) for asked in scripted.asked} == {
        ("CONNECT", "acme.my.salesforce.com:443")
    }


@pytest.mark.parametrize("proxy", ["proxy:80", "http://u:p@proxy", "socks5://proxy", "http://proxy/path"])
def test_a_proxy_with_a_password_or_odd_form_is_refused(proxy: str) -> None:
    with pytest.raises(ValueError, match="http://host:port"):
        OrgSettings(
            alias="p",
            instance_url="https://a.my.salesforce.com",
            client_id="a",
            username="u",
            private_key="env:K",
            proxy=proxy,
        )
