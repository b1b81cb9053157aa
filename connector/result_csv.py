"""Bulk result CSV to Arrow: streamed in blocks, every value text, empty is null, NUL removed, count checked."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.csv as pacsv
import requests

from connector import body, limits
from connector.body import BodyCut
from connector.port import Clock
from mappings.columns import text_array


class ByteStream(io.RawIOBase):
    """A reply's body as a file, NUL bytes left out (they occur, and no database takes them)."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        super().__init__()
        self._parts = parts
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._rest = memoryview(part.replace(b"\0", b""))
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def stream(response: requests.Response, *, clock: Clock, deadline: float) -> io.BufferedReader:
    """The body of `response`, buffered."""
    parts = body.chunks(response, clock=clock, deadline=deadline)
    return io.BufferedReader(ByteStream(parts), buffer_size=limits.CHUNK_BYTES)


def is_empty(source: io.BufferedReader) -> bool:
    """Whether the body has not a single byte, not even a header line."""
    return not source.peek(1)


def header_of(source: io.BufferedReader) -> list[str]:
    """The first line's names. They are API names, so the line has no break inside. Empty for an empty body."""
    line = source.readline().decode("utf-8-sig", "replace")
    return next(csv.reader([line]), [])


def rows_of(source: io.BufferedReader, names: Sequence[str]) -> pa.Table:
    """The remaining lines as a table of strings, bytes that are no UTF-8 replaced. Raises BodyCut for lines that do not have these columns."""
    schema = pa.schema([(name, pa.binary()) for name in names])  # one odd byte would refuse the page as text
    batches: list[pa.RecordBatch] = []
    try:
        first = source.peek(1)
        if first:
            reader = pacsv.open_csv(
                pa.PythonFile(source, mode="r"),
                read_options=pacsv.ReadOptions(
                    column_names=list(names), block_size=limits.CSV_BLOCK_BYTES, use_threads=False
                ),
                parse_options=pacsv.ParseOptions(newlines_in_values=True),
                convert_options=pacsv.ConvertOptions(
                    column_types=schema,
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
            batches.extend(reader)
    except pa.ArrowInvalid as error:
        # pyarrow quotes the offending line in its message: nothing of it may travel on.
        raise BodyCut("CSV_CUT", detail=type(error).__name__) from None
    table = pa.Table.from_batches(batches, schema=schema)
    return pa.Table.from_arrays([_as_text(column) for column in table.columns], names=list(names))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same bytes as text, checked and not copied; only a column with bytes that are no UTF-8 is gone through."""
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.chunked_array([text_array(column)])
