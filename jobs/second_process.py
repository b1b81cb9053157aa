"""A second process of our own for a while: started beside this one, spoken to by its standard input and output.

What it is asked and what it answers are plain values. It ends when its input does, so that it never outlives us, and
it holds nothing that anybody waits for: whatever becomes of it, what it was asked can be done here instead.
"""

from __future__ import annotations

import gc
import marshal
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

END_SECONDS = 10.0
OBJECTS_BETWEEN_LOOKS = 50_000  # a batch makes many objects and no cycles
_LENGTH = struct.Struct("<q")


class Gone(Exception):
    """It ended, or could not do what it was asked; the text says why."""


class SecondProcess:
    """Runs `entry` ("package.module:function") with one picklable value; then questions and answers in turn."""

    def __init__(self, entry: str, given: Any) -> None:
        module, _, function = entry.partition(":")
        code = f"from {module} import {function}; from jobs.second_process import serve; serve({function})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # Read as they come: a pipe holds little, and who writes into a full one waits.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._tell(pickle.dumps(given))

    def ask(self, question: Any) -> None:
        """Answers come in the order of the questions."""
        self._tell(marshal.dumps(question))

    def answered(self) -> bool:
        """Whether an answer (or the end) is there, without waiting."""
        return not self._answers.empty()

    def answer(self) -> Any:
        """The next answer, waited for. Raises Gone."""
        data = self._answers.get()
        if data is None:
            self._answers.put(None)  # so it is from now on
            raise Gone(f"it ended with {self._process.wait(END_SECONDS)}")
        failed, found = marshal.loads(data)
        if failed:
            raise Gone(found)
        return found

    def close(self) -> None:
        """End it, whatever it is doing; again is no error."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # what it was not told any more
            self._process.stdin.close()

    def _tell(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the next answer says that it ended
            _write(self._process.stdin, data)

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with stream:
            while (data := _read(stream)) is not None:
                self._answers.put(data)
        self._answers.put(None)


def serve(begin: Callable[[Any], Any]) -> None:
    """In the second process: `begin` is called with what was given and returns what answers each question."""
    # A person who stops us with Ctrl-C stops the first process, which then ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asks, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing else may come between the answers
    sys.stdout = sys.stderr
    questions = iter(lambda: _read(asks), None)
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS, 20, 20)
    try:
        answer = begin(pickle.loads(next(questions)))
        for question in questions:
            _write(answers, marshal.dumps((False, answer(marshal.loads(question)))))
    except (BrokenPipeError, StopIteration):
        return  # nobody is there any more
    except Exception as error:  # noqa: BLE001 - told to the first process, which knows what to do
        _write(answers, marshal.dumps((True, f"{type(error).__name__}: {error}")))


def _write(stream: IO[bytes], data: bytes) -> None:
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def _read(stream: IO[bytes]) -> bytes | None:
    """One message; None at the end, also at one that comes in the middle of a message."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    return data if len(data) == length else None
