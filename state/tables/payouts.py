"""Payouts: what finance sees of a posting, and what finance said of it."""

from __future__ import annotations

from state.tables.base import Row, key_part, optional_int64, optional_words, table, words


class Payout(Row, table=True):
    """A posting as a record of the org. We make the record once; everything but `posting_pk` and `key` is what the org
    last showed, and null until it did. `state.payouts` is the only writer."""

    __tablename__ = "payouts"
    posting_pk: int = key_part()
    key: str = words(unique=True)
    sf_id: str | None = optional_words()
    status: str | None = optional_words()
    amount_e6: int | None = optional_int64()
    currency: str | None = optional_words()
    approved_by: str | None = optional_words()
    paid_on: int | None = optional_int64()
    reference: str | None = optional_words()
    made_by: str | None = optional_words()
    changed_by: str | None = optional_words()
    read_at: int | None = optional_int64()


payouts = table(Payout)
