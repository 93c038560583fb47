"""A transcript that a person enjoys reading: steps, what was asked, what came back, how long it took."""

import sys
import time
from typing import TextIO


class Differs(Exception):
    """A step did not go as promised; the text says how."""


class Transcript:
    """Writes to a stream; colours only on a terminal."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._colours = stream.isatty()
        self._began = time.monotonic()
        self.steps = 0

    def title(self, text: str) -> None:
        """A part of the journey."""
        self._line("")
        self._line(self._paint("1;36", f"── {text} " + "─" * max(0, 92 - len(text))))

    def step(self, text: str) -> None:
        """Something that somebody does."""
        self.steps += 1
        at = f"{time.monotonic() - self._began:6.2f} s"
        self._line(f"\n{self._paint('2', at)}  {self._paint('1', text)}")

    def request(self, method: str, path: str, status: int) -> None:
        """A request and its answer's status."""
        shown = path if len(path) <= 78 else f"{path[:75]}..."
        self._line(f"          {method:6} {shown:78} {self._paint('32', str(status))}")

    def note(self, text: str) -> None:
        """What that means."""
        self._line(f"          {text}")

    def expect(self, holds: bool, what: str) -> None:
        """A promise. Raises Differs."""
        if not holds:
            raise Differs(what)
        self._line(f"          {self._paint('32', '✓')} {what}")

    def _paint(self, colour: str, text: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._colours else text

    def _line(self, text: str) -> None:
        print(text, file=self._stream, flush=True)
