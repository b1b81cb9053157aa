"""Database URLs as people write and read them: what one says, and what of it may be shown, never a password."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from state.errors import BadStoreUrl
from state.paths_in_urls import in_a_url

EXAMPLES = "use sqlite:///rebates.db or postgresql+psycopg://user@host/database"
UNREADABLE = "not repeated here: it may hold a password"
HIDDEN = "***"
# Behind the @ that ends the password. The password ends at its first @, whatever was meant.
_BEHIND_PASSWORD = re.compile(r"[^:/]+://[^:/]*:[^@]*@(?P<rest>.*)", re.DOTALL)
_SECRETS = ("password", "sslpassword")  # of the server's own settings behind the `?`


def parsed(url: str) -> URL:
    """What a URL says. One that cannot be read is not repeated: nobody knows where in it the password is."""
    if _tears_a_password(url):
        raise BadStoreUrl(
            "the password of this database URL seems to hold an @",
            where=UNREADABLE,
            hint="[state] url: write each @ of a user, a password or a database as %40",
        )
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise BadStoreUrl(
            "this is not a database URL", where=UNREADABLE, hint=f"[state] url: {EXAMPLES}"
        ) from None


def _tears_a_password(url: str) -> bool:
    """Whether what stands behind the password may be the end of it: it would be shown, and asked of the name servers."""
    found = _BEHIND_PASSWORD.match(url)
    if found is None or url.startswith("sqlite"):
        return False
    place, _, settings = found["rest"].partition("?")
    return "@" in place or any("@" in one.partition("=")[0] for one in settings.split("&"))


def shown(url: URL) -> str:
    """Without any password. A file's URL is read back as the same file, and its path is the one that a person knows."""
    secret = {name: HIDDEN for name in url.query if name.lower() in _SECRETS}
    if secret:
        url = url.update_query_dict(secret)
    said = url.render_as_string(hide_password=True).replace(quote(HIDDEN), HIDDEN)
    if url.get_backend_name() != "sqlite" or not url.database:
        return said
    _, question, query = said.partition("?")
    return f"{url.drivername}:///{in_a_url(url.database)}{question}{query}"


def shown_text(url: str) -> str:
    """The same of a text that may be no URL at all."""
    try:
        return shown(parsed(url))
    except BadStoreUrl:
        return f"not a database URL ({UNREADABLE})"


def file_of(url: str) -> Path | None:
    """The file of a SQLite store; None for a server, and for a file that SQLite finds by a URI of its own."""
    read = parsed(url)
    if read.get_backend_name() != "sqlite" or not read.database or read.database.startswith("file:"):
        return None
    return None if read.database == ":memory:" else Path(read.database)
