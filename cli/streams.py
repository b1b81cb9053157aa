"""stdout and stderr as they may be found: a pipe that nobody reads any more, a full disk, closed, or without our letters.

What a person cannot read must not stop the work, or change how it ended. A result that could not be written is told.
"""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO


class Stream:
    """A text stream that takes everything. `failed`: why nothing arrives any more; a reader that left is no failure."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failed: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """All of it counts as written."""
        try:
            self._stream.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """As `write`, for each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """What is left in it goes out, or nowhere."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if not isinstance(error, BrokenPipeError):
            self.failed = self.failed or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())  # what is still in its buffer, and whatever comes, goes there
        os.close(nowhere)


def prepare() -> tuple[Stream, Stream]:
    """stdout and stderr from here on, as `Stream`s. Where there is none, one that leads nowhere: else the next file that is
    opened would have its number."""
    found = []
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or _nowhere()
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
        found.append(Stream(stream))
        setattr(sys, name, found[-1])
    return found[0], found[1]


def _nowhere() -> TextIO:
    """Our helpers get it, too: they would have none either."""
    stream = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    os.set_inheritable(stream.fileno(), True)
    return stream


def takes_every_letter(stream: Any) -> bool:
    """Whether a stream can write all that there is."""
    encoding = getattr(stream, "encoding", None)
    return encoding is None or encoding.lower().replace("-", "").startswith("utf")
