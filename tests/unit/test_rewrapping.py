"""The sweep to another tokens key: page by page, resumable, and never against a writer who came between."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from portico.errors import Conflict, SealBroken
from portico.rewrapping import Sealed, SealedPage, Sweeper
from portico.sealing import Place, tokens_of
from tests.unit.fakes import START, Clock

FOREVER = START + 3600


@dataclass
class Keys:
    """Seals that say under which key they are, and where they belong."""

    previous: str = "old"
    current: str = "new"

    def seal(self, key: str, place: Place) -> bytes:
        return f"{key} {base64.b64encode(repr(place).encode()).decode()}".encode()

    def rewrap(self, place: Place, sealed: bytes) -> bytes | None:
        for key in (self.current, self.previous):
            if sealed == self.seal(key, place):
                return None if key == self.current else self.seal(self.current, place)
        raise SealBroken


@dataclass
class Table:
    """Connections by id, two to a page."""

    rows: dict[str, Sealed] = field(default_factory=dict)
    meanwhile: dict[str, Sealed] = field(default_factory=dict)

    def sealed(self, after: str | None) -> SealedPage:
        ids = sorted(i for i in self.rows if after is None or i > after)
        page: Sequence[str] = ids[:2]
        return SealedPage([self.rows[i] for i in page], page[-1] if len(ids) > 2 else None)

    def rewrap(self, before: Sealed, tokens: bytes) -> None:
        self.rows.update(self.meanwhile)
        if self.rows[before.connection_id] != before:
            raise Conflict
        self.rows[before.connection_id] = before._replace(tokens=tokens)


@dataclass
class Ticking:
    """A clock on which every look takes a second."""

    clock: Clock = field(default_factory=Clock)

    def __call__(self) -> float:
        self.clock.advance(1)
        return self.clock()


KEYS = Keys()


def stored(number: int, key: str, generation: int = 3) -> Sealed:
    name = f"connection-{number}"
    return Sealed(name, generation, KEYS.seal(key, tokens_of(name, generation)))


def table(*rows: Sealed) -> Table:
    return Table({row.connection_id: row for row in rows})


def test_everything_under_the_previous_key_comes_under_the_current_one() -> None:
    rows = table(*(stored(n, "old") for n in range(3)), stored(3, "new"))
    swept = Sweeper(rows, KEYS, Clock()).sweep(None, FOREVER)
    assert swept.as_json() == {"complete": True, "current": 1, "rewrapped": 3, "moved": 0, "broken": 0}
    assert rows.rows == table(*(stored(n, "new") for n in range(4))).rows


def test_a_second_sweep_finds_nothing_to_do_and_that_is_the_proof() -> None:
    rows = table(*(stored(n, "old") for n in range(5)))
    sweeper = Sweeper(rows, KEYS, Clock())
    sweeper.sweep(None, FOREVER)
    assert sweeper.sweep(None, FOREVER).as_json() == {
        "complete": True,
        "current": 5,
        "rewrapped": 0,
        "moved": 0,
        "broken": 0,
    }


def test_when_the_time_runs_out_the_next_run_goes_on() -> None:
    rows = table(*(stored(n, "old") for n in range(5)))
    clock = Ticking()
    runs, after = [], None
    while True:
        swept = Sweeper(rows, KEYS, clock).sweep(after, clock.clock() + 1)
        runs.append(swept.rewrapped)
        after = swept.next
        if after is None:
            break
        assert swept.as_json()["after"] == after
    assert runs == [2, 2, 1]
    assert rows.rows == table(*(stored(n, "new") for n in range(5))).rows


def test_a_refresh_that_came_between_is_left_alone() -> None:
    rows = table(stored(0, "old"))
    rows.meanwhile = table(stored(0, "new", generation=4)).rows
    swept = Sweeper(rows, KEYS, Clock()).sweep(None, FOREVER)
    assert (swept.rewrapped, swept.moved) == (0, 1)
    assert rows.rows == rows.meanwhile


def test_what_opens_under_neither_key_is_counted_and_left_as_it_is() -> None:
    rows = table(stored(0, "a third key"), stored(1, "old"))
    swept = Sweeper(rows, KEYS, Clock()).sweep(None, FOREVER)
    assert (swept.broken, swept.rewrapped) == (1, 1)
    assert rows.rows["connection-0"] == stored(0, "a third key")


def test_a_table_without_tokens_is_swept_at_once() -> None:
    assert Sweeper(table(), KEYS, Clock()).sweep(None, FOREVER).next is None
