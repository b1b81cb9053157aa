"""Where a token may travel: the list of hosts, and the check of every address before anything is sent."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from connector.errors import Misconfigured

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

# Salesforce's own domains: commercial, government and the partner that runs it in China.
_ALLOWED = (
    ".my.salesforce.com",
    ".salesforce.com",
    ".my.salesforce.mil",
    ".salesforce.mil",
    ".my.sfcrmproducts.cn",
    ".sfcrmproducts.cn",
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class HostRefused(Misconfigured):
    """An address that must not see our token."""

    step = "Use the org's My Domain URL, as shown in Setup > My Domain: https://NAME.my.salesforce.com"


def check_origin(url: str) -> str:
    """The origin (`scheme://host[:port]`) of an instance or token URL that we trust, or `HostRefused`.

    `https` to a Salesforce domain; `http` to loopback only. Addresses with a user, a path that climbs or odd
    characters are refused rather than understood.
    """
    if not url.isascii() or any(c.isspace() or ord(c) < 32 for c in url) or "\\" in url or "@" in url:
        raise HostRefused("URL_REFUSED", detail="the address has characters that no Salesforce address has")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise HostRefused("URL_REFUSED", detail="the address cannot be read") from None
    if parts.scheme not in {"https", "http"} or not host:
        raise HostRefused("URL_REFUSED", detail="the address must start with https://")
    where = f"[{host}]" if ":" in host else host
    origin = f"{parts.scheme}://{where}" + (f":{port}" if port else "")
    if host in LOOPBACK:
        return origin
    if parts.scheme != "https":
        raise HostRefused("URL_REFUSED", detail=f"http is for this machine only; {host} needs https")
    if host.endswith(".lightning.force.com"):
        name = host.removesuffix(".lightning.force.com")
        raise HostRefused(
            "URL_REFUSED",
            detail=f"{host} is the address of the pages, not of the API",
            hint=f"Use https://{name}.my.salesforce.com",
        )
    if not any(host.endswith(suffix) for suffix in _ALLOWED) or not _labels_ok(host):
        raise HostRefused("URL_REFUSED", detail=f"{host} is not a Salesforce domain")
    if port not in (None, 443):
        raise HostRefused("URL_REFUSED", detail=f"{host} is only spoken to on port 443")
    return f"https://{host}"


def _labels_ok(host: str) -> bool:
    return all(_LABEL.fullmatch(label) for label in host.split("."))


_PATH = re.compile(r"/services/data/v\d{2}\.\d/[A-Za-z0-9_./\-]+(?:\?[A-Za-z0-9_.=&%\-]*)?")


def check_path(path: str) -> str:
    """A path that the org gave us to follow (`nextRecordsUrl`, `contentUrl`), or `HostRefused`."""
    if not _PATH.fullmatch(path) or ".." in path or "//" in path:
        raise HostRefused("PATH_REFUSED", detail="the org named a next page outside its own API")
    return path
