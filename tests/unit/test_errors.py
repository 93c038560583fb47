"""What can go wrong: names, reasons, and what an error may carry."""

import re

import pytest

from portico import errors
from portico.errors import PorticoError, Retryable

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PorticoError)]


def test_the_tree_in_the_docstring_is_the_tree_of_the_code() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert sorted(drawn) == sorted(kind.__name__ for kind in KINDS if kind is not PorticoError)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_says_what_it_means(kind: type[PorticoError]) -> None:
    assert kind.__doc__


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.ResultExpired(), "result_expired"),
        (errors.PortalRejected(401), "portal_rejected"),
        (errors.PortalTimeout(), "portal_timeout"),
        (errors.Gone("expired"), "gone"),
    ],
)
def test_a_reason_is_one_word(error: PorticoError, reason: str) -> None:
    assert error.reason == reason


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, Retryable)])
def test_every_retryable_error_says_when_to_try_again(kind: type[Retryable]) -> None:
    assert kind().retry_after >= 1
    assert kind(7).retry_after == 7
    assert kind(0).retry_after == 0


def test_a_lost_connection_is_unclear_and_a_timeout_too() -> None:
    assert issubclass(errors.PortalTimeout, errors.PortalUnclear)
    assert not issubclass(errors.PortalUnreachable, errors.PortalUnclear)
