"""A secret does not print itself."""

import copy
import json
import pickle
from dataclasses import dataclass

import pytest

from portico.secret import Secret

HIDDEN = Secret("74cf555d-545c")


@dataclass
class Holder:
    token: Secret


@pytest.mark.parametrize(
    "shown",
    [
        repr(HIDDEN),
        str(HIDDEN),
        f"{HIDDEN}",
        f"{HIDDEN!r:>20}",
        f"{HIDDEN:s}",
        "%s %r" % (HIDDEN, HIDDEN),  # noqa: UP031
        repr([HIDDEN]),
        repr(Holder(HIDDEN)),
        repr(ValueError(HIDDEN)),
    ],
)
def test_no_way_of_printing_shows_it(shown: str) -> None:
    assert "74cf" not in shown
    assert "***" in shown


def test_it_is_revealed_when_asked() -> None:
    assert HIDDEN.reveal() == "74cf555d-545c"


def test_it_cannot_be_pickled_copied_or_written_as_json() -> None:
    for way in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError) as refused:
            way(HIDDEN)
        assert "74cf" not in str(refused.value)


def test_secrets_compare_by_what_they_hold() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert HIDDEN


def test_it_has_no_dictionary_that_a_dump_could_find() -> None:
    assert not hasattr(HIDDEN, "__dict__")
