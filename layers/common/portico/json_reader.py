"""Walks JSON text that arrives in pieces, holding no more of it than it is asked to hold.

RFC 8259 is the rule. The reader stands before a value, a member's name or an array's item, and its caller
decides what to do with it: enter it, skip it, hold its bytes, or take a whole run of like items at once.
It knows nothing of FHIR. Every byte is checked to be UTF-8; what is held, and every name and scalar, is
checked to be JSON; what is skipped is checked to be balanced.
"""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from portico.errors import ResultMalformed
from portico.json_text import LONGEST_TOKEN, Flaw, Recording, check, decode_text, decoded

END: Final = -1
QUOTE, COMMA, COLON = b'",:'
OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT = b"[]{}"

DEEPEST: Final = 1000
LARGEST_RUN: Final = 128 * 1024
LARGEST_IGNORED: Final = 1024 * 1024

_BODY: Final = rb"(?:[^\"\\]++|\\.)*+"
_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"' + _BODY + rb'"', re.DOTALL)
_STRING_BODY = re.compile(_BODY, re.DOTALL)
_SCALAR = re.compile(rb"[-+.0-9A-Za-z]*+")
# Strings and everything else that opens or closes nothing, then the bracket, unless the text ends first.
_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"' + _BODY + rb'")*+([{}\[\]])?', re.DOTALL)
# What lies between two objects of an array, up to the second one's first name.
_BETWEEN = re.compile(rb'([ \t\r\n]*+,)[ \t\r\n]*+\{[ \t\r\n]*+(?:"[A-Za-z]{1,64}+"|\})')
# Whole escapes only, and both halves of a surrogate pair or neither.
_WHOLE_ESCAPES = re.compile(
    rb'(?:[^"\\]++|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u(?![dD][89abAB])....|\\[^u])*+', re.DOTALL
)
_LONGEST_ESCAPE: Final = len(rb"\ud83d\ude00")


class JsonReader:
    """A cursor in JSON text. The text comes from an iterator of pieces, cut anywhere."""

    def __init__(self, pieces: Iterable[bytes], *, inside_string: bool = False) -> None:
        self.inside_string = inside_string
        self._pieces = iter(pieces)
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._cut = b""
        self._data = b""
        self._pos = 0
        self._passed = 0
        self._fresh = False
        self._missed_at = 0
        self._recordings: list[Recording] = []
        self._skip_byte_order_mark()

    # --- where the cursor stands ---------------------------------------------------------------

    def peek(self) -> int:
        """The next byte that means something, or END."""
        while True:
            space = _SPACE.match(self._data, self._pos)
            self._pos = space.end() if space else self._pos
            if self._pos < len(self._data):
                return self._data[self._pos]
            if not self._more():
                return END

    def finish(self) -> None:
        """Nothing but white space may follow."""
        if self.peek() != END:
            raise ResultMalformed(Flaw.NOT_JSON)

    def enter(self) -> None:
        """Step into the object or array that begins here."""
        self.peek()
        self._pos += 1
        self._fresh = True

    def name(self) -> str | None:
        """The name of the object's next member, the cursor then before its value; None after the last one."""
        if not self._another(CLOSE_OBJECT):
            return None
        name = self.text()
        self._take(COLON)
        return name

    def item(self) -> bool:
        """Whether the array has another item, the cursor then before it."""
        return self._another(CLOSE_ARRAY)

    # --- what can be done with a value ---------------------------------------------------------

    def text(self) -> str:
        """A short string."""
        if self.peek() != QUOTE:
            raise ResultMalformed(Flaw.TRUNCATED if self.peek() == END else Flaw.NOT_JSON)
        while not (string := _STRING.match(self._data, self._pos)):
            self._more_of_token()
        self._pos = string.end()
        if len(string[0]) > LONGEST_TOKEN:
            raise ResultMalformed(Flaw.TOO_LARGE)
        return decoded(string[0], decode_text)

    def scalar(self) -> bytes:
        """A number, true, false or null."""
        self.peek()
        while (scalar := _SCALAR.match(self._data, self._pos)) and scalar.end() == len(self._data):
            if not self._more_of_token(or_end=True):
                break
        token = scalar[0] if scalar else b""
        self._pos += len(token)
        if not token or len(token) > LONGEST_TOKEN:
            raise ResultMalformed(Flaw.TOO_LARGE if token else Flaw.NOT_JSON)
        decoded(token, check)
        return token

    def skip(self) -> None:
        """Pass over the value, whatever its size, looking at brackets and quotes alone."""
        byte = self.peek()
        if byte == QUOTE:
            self._skip_string()
        elif byte in (OPEN_OBJECT, OPEN_ARRAY):
            self.enter()
            self.leave()
        elif byte == END:
            raise ResultMalformed(Flaw.TRUNCATED)
        else:
            self.scalar()

    def leave(self) -> None:
        """Pass over what is left of the object or array that was entered last."""
        depth = 1
        while depth:
            step = _TO_BRACKET.match(self._data, self._pos)
            if step and step[1]:
                self._pos = step.end()
                depth += 1 if step[1] in b"{[" else -1
                if depth > DEEPEST:
                    raise ResultMalformed(Flaw.TOO_DEEP)
                continue
            self._pos = step.end() if step else self._pos
            if self._pos < len(self._data):
                self._skip_string()
            elif not self._more():
                raise ResultMalformed(Flaw.TRUNCATED)
        self._fresh = False

    def value(self, limit: int) -> bytes | None:
        """The value's bytes, checked; None, when they were more than the limit."""
        recording = self.record(limit)
        self.skip()
        held = self.recorded(recording)
        if held is not None:
            decoded(held, check)
        return held

    def ignore(self) -> None:
        """Pass over a value that nobody wants, but that must be JSON all the same."""
        self.value(LARGEST_IGNORED)

    def record(self, limit: int) -> Recording:
        """Hold everything from the value that begins here, until `recorded` or `forget`."""
        self.peek()
        recording = Recording(self._pos, limit)
        self._recordings.append(recording)
        return recording

    def recorded(self, recording: Recording) -> bytes | None:
        recording.add(self._data[recording.start : self._pos])
        self.forget(recording)
        return recording.text()

    def forget(self, recording: Recording) -> None:
        self._recordings.remove(recording)

    def alike[T](self, decode: Callable[[bytes], T]) -> Iterator[T]:
        """The array's items that follow one just read and begin as the next one does, many at a time.

        A guess that cannot be wrong: the text up to a place that looks like the end of an item is decoded as
        an array. A prefix of an array that is one itself, put in brackets, consists of whole items; any other
        place makes the decoder fail, and the caller reads one item the exact way. The text that a guess may
        cost is bounded by what was read since the last wrong one: the whole stays linear in its size.
        """
        if self._fresh or not (between := self._between()):
            return
        boundary, comma = b"}" + between[0], len(between[1])
        while True:
            reach = min(LARGEST_RUN, 4 * (self._passed + self._pos - self._missed_at))
            self._gather(reach)
            end = self._data.rfind(boundary, self._pos, self._pos + reach) + 1
            try:
                run = (
                    decode(b"".join((b"[", memoryview(self._data)[self._pos + comma : end], b"]")))
                    if end
                    else None
                )
            except (msgspec.MsgspecError, RecursionError):
                run = None
            if run is None:
                self._missed_at = self._passed + self._pos
                return
            self._pos = end
            yield run

    def unescaped(self) -> Iterator[bytes]:
        """The text that the string which begins here stands for, in pieces."""
        self._take(QUOTE)
        while True:
            body = _WHOLE_ESCAPES.match(self._data, self._pos)
            end = body.end() if body else self._pos
            if end > self._pos:
                piece = self._data[self._pos : end]
                self._pos = end
                yield decoded(b'"%b"' % piece, decode_text).encode()
            elif end < len(self._data) and self._data[end] == QUOTE:
                self._pos += 1
                return
            elif len(self._data) - end >= _LONGEST_ESCAPE:
                raise ResultMalformed(Flaw.NOT_JSON)
            elif not self._more():
                raise ResultMalformed(Flaw.TRUNCATED)

    # --- how the text comes in -----------------------------------------------------------------

    def _more(self) -> bool:
        """Take in the next piece, letting go of what lies behind the cursor; False at the end."""
        piece = self._next_piece()
        if piece is None:
            return False
        self._append(piece)
        return True

    def _append(self, piece: bytes) -> None:
        for recording in self._recordings:
            recording.add(self._data[recording.start : self._pos])
            recording.start = 0
        self._passed += self._pos
        self._data = self._data[self._pos :] + piece
        self._pos = 0

    def _gather(self, size: int) -> None:
        """Have that much text ahead of the cursor, if there is so much left."""
        missing, pieces = size - (len(self._data) - self._pos), []
        while missing > 0 and (piece := self._next_piece()) is not None:
            missing -= len(piece)
            pieces.append(piece)
        if pieces:
            self._append(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _next_piece(self) -> bytes | None:
        for piece in self._pieces:
            if whole := self._whole_characters(piece):
                return whole
        if self._cut:
            raise ResultMalformed(Flaw.TRUNCATED)
        return None

    def _whole_characters(self, piece: bytes) -> bytes:
        """The piece without the beginning of a character that the next one ends, all of it UTF-8."""
        if not self._cut and piece.isascii():
            return piece
        try:
            self._utf8.decode(piece)
        except UnicodeDecodeError:
            raise ResultMalformed(Flaw.NOT_UTF8) from None
        text = self._cut + piece
        self._cut = self._utf8.getstate()[0]
        return text[: len(text) - len(self._cut)]

    def _skip_byte_order_mark(self) -> None:
        self._gather(len(codecs.BOM_UTF8))
        if self._data.startswith(codecs.BOM_UTF8):
            self._pos = len(codecs.BOM_UTF8)

    # --- single steps --------------------------------------------------------------------------

    def _another(self, closer: int) -> bool:
        byte, fresh = self.peek(), self._fresh
        self._fresh = False
        if byte == closer:
            self._pos += 1
            return False
        if not fresh:
            self._take(COMMA)
            byte = self.peek()
        if byte == END:
            raise ResultMalformed(Flaw.TRUNCATED)
        if byte == closer or (closer == CLOSE_OBJECT and byte != QUOTE):
            raise ResultMalformed(Flaw.NOT_JSON)
        return True

    def _take(self, byte: int) -> None:
        found = self.peek()
        if found != byte:
            raise ResultMalformed(Flaw.TRUNCATED if found == END else Flaw.NOT_JSON)
        self._pos += 1

    def _skip_string(self) -> None:
        self._pos += 1
        while True:
            end = self._data.find(b'"', self._pos)
            end = len(self._data) if end < 0 else end
            # A scanned document is one string of megabytes without an escape: searching beats matching.
            if self._data.find(b"\\", self._pos, end) >= 0:
                body = _STRING_BODY.match(self._data, self._pos)
                end = body.end() if body else end
            self._pos = end
            if end < len(self._data) and self._data[end] == QUOTE:
                self._pos += 1
                return
            if not self._more():
                raise ResultMalformed(Flaw.TRUNCATED)

    def _more_of_token(self, *, or_end: bool = False) -> bool:
        if len(self._data) - self._pos > LONGEST_TOKEN:
            raise ResultMalformed(Flaw.TOO_LARGE)
        if not (more := self._more()) and not or_end:
            raise ResultMalformed(Flaw.TRUNCATED)
        return more

    def _between(self) -> re.Match[bytes] | None:
        self._gather(LONGEST_TOKEN)
        return _BETWEEN.match(self._data, self._pos)
