"""What several journeys need: a PostgreSQL database of their own, and the org's rows as they lie in its storage."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

POSTGRES = os.environ.get("REBATES_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")


def postgres_database(*, copied_from: str | None = None) -> Iterator[str]:
    """The URL of a database of its own, gone afterwards; skipped by name where there is no server.

    Empty, or a copy of one that nobody is connected to, by its URL.
    """
    psycopg = pytest.importorskip("psycopg")
    name = f"journey_{uuid.uuid4().hex[:12]}"
    try:
        admin = psycopg.connect(POSTGRES.replace("+psycopg", ""), autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL on 127.0.0.1:5432")
    like = f" TEMPLATE {copied_from.rsplit('/', 1)[1]}" if copied_from is not None else ""
    admin.execute(f"CREATE DATABASE {name}{like}")
    yield POSTGRES.rsplit("/", 1)[0] + "/" + name
    admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    admin.close()


def raw(org: Any, sobject: str, *names: str) -> list[dict[str, Any]]:
    """The org's rows straight out of its storage: no query language, no HTTP, no code of ours."""
    described = org.schema.sobject(sobject)
    fields = [described.field(name) for name in names]
    columns = ", ".join(f'"{name}"' for name in names)
    found = org.storage.rows(f'SELECT {columns} FROM "{sobject}" WHERE NOT "IsDeleted"')
    out = []
    for row in found:
        made = {}
        for field, value in zip(fields, row, strict=True):
            scaled = value is not None and field.type in ("currency", "double", "percent")
            made[field.name] = Fraction(value, 10**field.scale) if scaled else value
        out.append(made)
    return out
