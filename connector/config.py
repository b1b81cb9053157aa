"""The settings of one org, `[org.<alias>]` of the configuration, checked as a whole."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connector import limits
from connector.errors import Misconfigured
from connector.hosts import check_origin
from connector.secrets import parse_reference

# Groups of five characters; bit i is set when character i is a capital; 32 values, one letter each.
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def id18(value: str) -> str:
    """A record id in its 18-character form, from 15 or 18. Raises ValueError for anything else."""
    if not re.fullmatch(r"[A-Za-z0-9]{15}(?:[A-Z0-5]{3})?", value):
        raise ValueError("an id has 15 or 18 letters and digits")
    core = value[:15]
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << i for i, char in enumerate(core[start : start + 5]) if "A" <= char <= "Z")
        suffix += _SUFFIX[bits]
    if len(value) == 18 and value[15:] != suffix:
        raise ValueError("the last three characters do not belong to this id (a letter's case was changed?)")
    return core + suffix


def _org_id(value: str) -> str:
    if not value.startswith("00D"):
        raise ValueError("an org id starts with 00D (Setup > Company Information)")
    return id18(value)


def _origin(value: str) -> str:
    try:
        return check_origin(value)
    except Misconfigured as refused:
        raise ValueError(f"{refused.detail}. {refused.hint}") from None


def _token_url(value: str) -> str:
    origin = _origin(value)
    path = value.split("://", 1)[-1].partition("/")[2].strip("/")
    if path not in {"", "services/oauth2/token"}:
        raise ValueError("the token URL ends in /services/oauth2/token")
    return f"{origin}/services/oauth2/token"


def _proxy(value: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.\-]+(?::\d{1,5})?/?", value):
        raise ValueError("a proxy is written http://host:port, without a password")
    return value


def _reference(value: str) -> str:
    parse_reference(value)
    return value


SecretReference = Annotated[str, AfterValidator(_reference)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Answer = Literal["soon", "query", "composite"]  # how long the org itself may take for one


class Timeouts(BaseModel):
    """Seconds after which we stop waiting."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connect: Seconds = limits.CONNECT_SECONDS
    read: Seconds = limits.READ_SECONDS  # between two bytes, of calls that the org answers at once
    query: Seconds = limits.QUERY_SECONDS  # one query
    composite: Seconds = limits.COMPOSITE_SECONDS  # several queries, or up to 1,000 records, in one call
    call: Seconds = limits.CALL_SECONDS  # one call, its retries included; or one attempt that may take longer
    bulk_job: Seconds = limits.BULK_JOB_SECONDS
    deploy: Seconds = limits.DEPLOY_SECONDS

    def patience(self, answer: Answer, parts: int = 1) -> float:
        """How long the org may be silent: never shorter than it may work on what was asked."""
        longest = {
            "soon": self.read,
            "query": min(parts * self.query, self.composite),
            "composite": self.composite,
        }
        return max(self.read, longest[answer])


class OrgSettings(BaseModel):
    """One org: where it is, how we log in, and what we may use of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    alias: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")
    instance_url: Annotated[str, AfterValidator(_origin)]
    token_url: Annotated[str, AfterValidator(_token_url)] | None = None  # left out: on the instance
    audience: str | None = None  # of the JWT; left out: the instance (My Domain) URL
    auth: Literal["jwt", "client_credentials", "refresh_token"] = "jwt"
    client_id: str = Field(min_length=1)
    username: str | None = None
    private_key: SecretReference | None = None
    client_secret: SecretReference | None = None
    refresh_token: SecretReference | None = None
    org_id: Annotated[str, AfterValidator(_org_id)] | None = None  # 15 or 18 characters
    api_version: str = Field(default="68.0", pattern=r"^\d{2}\.0$")
    api_budget_share: float = Field(default=0.2, gt=0, le=1)  # of the org's calls of 24 hours
    bulk_prefetch: int = Field(default=2, ge=0, le=5)  # pages fetched ahead; 0: no threads
    proxy: Annotated[str, AfterValidator(_proxy)] | None = (
        None  # http://host:port; the environment's is not used
    )
    ca_file: str | None = None  # certificates to trust instead of the usual ones: a company's, the emulator's
    timeouts: Timeouts = Timeouts()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs = {
            "jwt": ("username", "private_key"),
            "client_credentials": ("client_secret",),
            "refresh_token": ("refresh_token",),
        }[self.auth]
        missing = [name for name in needs if getattr(self, name) is None]
        if missing:
            raise ValueError(f'auth = "{self.auth}" needs {" and ".join(missing)}')
        if int(self.api_version.split(".")[0]) < 58:
            raise ValueError("api_version must be 58.0 or newer")
        return self

    @property
    def token_endpoint(self) -> str:
        """Where tokens are asked for; separate from the audience, which government orgs need."""
        return self.token_url or f"{self.instance_url}/services/oauth2/token"

    @property
    def jwt_audience(self) -> str:
        """My Domain URL unless set: External Client Apps refuse the login hosts."""
        return self.audience or self.instance_url
