"""Bytes kept outside memory for as long as somebody holds them: a nameless temporary file."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator

CHUNK = 1 << 18


class Scratch:
    """Append-only; reads do not disturb each other. The space is given back when the last holder lets go."""

    def __init__(self) -> None:
        self._handle, name = tempfile.mkstemp(prefix="emulator-")
        os.unlink(name)
        self.size = 0
        weakref.finalize(self, os.close, self._handle)

    def append(self, data: bytes) -> int:
        """Returns where the data starts."""
        start = self.size
        while data:
            written = os.pwrite(self._handle, data, self.size)
            self.size += written
            data = data[written:]
        return start

    def read(self, start: int, size: int) -> bytes:
        return os.pread(self._handle, size, start)

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            part = self.read(start, min(CHUNK, end - start))
            start += len(part)
            yield part
