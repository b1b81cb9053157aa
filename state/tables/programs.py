"""The rules as rows: programs by version, and what they materialise to, so that one statement serves all.

`rules` is the only writer; `contributions` joins them, `totals` and `standings` read names and bounds.
A program keeps its row, its buckets and its periods over all versions: numbers before and after a change can
be compared, and the key of a standing in the org never changes.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, UniqueConstraint, false
from sqlmodel import Field

from state.tables.base import (
    CLUSTERED,
    Row,
    day,
    flag,
    int64,
    key_part,
    optional_words,
    surrogate,
    table,
    words,
)


class Program(Row, table=True):
    """One row a program, at its current version; read by everything that shows a program."""

    __tablename__ = "programs"
    pk: int | None = surrogate()
    key: str = words(unique=True)
    version: int = int64()
    content_hash: str = words()
    name: str = words()
    currency: str = words()
    time_zone: str = words()
    active: bool = flag()
    # Whether a return counts on the day of the order that it takes back from.
    returns_to_original: bool = Field(
        default=False, sa_column=Column(Boolean, nullable=False, server_default=false())
    )


class ProgramVersion(Row, table=True):
    """Every definition that ever computed a number; read by explain and audit."""

    __tablename__ = "program_versions"
    program_pk: int = key_part()
    version: int = key_part()
    content_hash: str = words()
    definition: str = words()
    installed_at: int = int64()


class Bucket(Row, table=True):
    """A named counter of a program with its own filter; a plain program has one."""

    __tablename__ = "buckets"
    __table_args__ = (UniqueConstraint("program_pk", "name"),)
    pk: int | None = surrogate()
    program_pk: int = int64()
    name: str = words()
    active: bool = flag()
    row_rules: str | None = (
        optional_words()
    )  # JSON: conditions that each order or line is asked, not its kind


class Period(Row, table=True):
    """A half-open stretch of a program, as days and as instants in the program's time zone.

    `baseline`: it has totals and no standings; growth is measured against it.
    """

    __tablename__ = "periods"
    __table_args__ = (UniqueConstraint("program_pk", "start_day", "end_day"),)
    pk: int | None = surrogate()
    program_pk: int = int64()
    name: str = words()
    start_day: int = day()
    end_day: int = day()
    start_at: int = int64()
    end_at: int = int64()
    active: bool = flag()
    baseline: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))


class ProgramMember(Row, table=True):
    """Whose orders count for whom: in this bucket, orders of `account` within the span add to `member`."""

    __tablename__ = "program_members"
    __table_args__ = CLUSTERED
    account_pk: int = key_part()
    bucket_pk: int = key_part()
    member_pk: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False, index=True))
    start_day: int = key_part()
    end_day: int = day()
    start_at: int = int64()
    end_at: int = int64()
    program_pk: int = int64()


class BucketProduct(Row, table=True):
    """Which products count in a bucket."""

    __tablename__ = "bucket_products"
    __table_args__ = CLUSTERED
    bucket_pk: int = key_part()
    product_pk: int = key_part()


class BucketOrderKind(Row, table=True):
    """Which kinds of order count in a bucket, and at which conversion within the span."""

    __tablename__ = "bucket_order_kinds"
    __table_args__ = CLUSTERED
    bucket_pk: int = key_part()
    kind_pk: int = key_part()
    start_day: int = key_part()
    end_day: int = day()
    start_at: int = int64()
    end_at: int = int64()
    conversion_pk: int = int64()


class BucketLineKind(Row, table=True):
    """Which kinds of line count in a bucket."""

    __tablename__ = "bucket_line_kinds"
    __table_args__ = CLUSTERED
    bucket_pk: int = key_part()
    kind_pk: int = key_part()


class Conversion(Row, table=True):
    """An order currency as a program meets it; amounts are summed before they are converted, so that it rounds once.

    With rates by line date there is one row for every span between two rates, `from_day` its first day.
    """

    __tablename__ = "conversions"
    __table_args__ = (UniqueConstraint("program_pk", "currency", "from_day"),)
    pk: int | None = surrogate()
    program_pk: int = int64()
    currency: str = words()  # of the order; empty: the org has one currency
    from_day: int = day()


programs = table(Program)
program_versions = table(ProgramVersion)
buckets = table(Bucket)
periods = table(Period)
program_members = table(ProgramMember)
bucket_products = table(BucketProduct)
bucket_order_kinds = table(BucketOrderKind)
bucket_line_kinds = table(BucketLineKind)
conversions = table(Conversion)
