"""OneRecord in trouble, at every call: what the user is told, what is stored, and that nothing is lost.

`first`: one run into it. `retry`: then the trouble is over, and whoever called comes again. `concurrent`: at the
moment of the call another worker does the same, into the same trouble; then as `retry`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from portico.attempt import State
from portico.connection import Status
from portico.retrieval import Status as RetrievalStatus
from tests.faults.ground import Ground, Told
from tests.faults.ground import told as told_by
from tests.faults.points import EFFECTS
from tests.faults.scenes import (
    SCENES,
    AtOnce,
    Beginning,
    Exchanging,
    OverAConnection,
    Scene,
    Searching,
    Taking,
)
from tests.faults.upstream import FAULTS, Fault, failing, hurry

UNAVAILABLE, PORTAL_ERROR, TIMEOUT = "503 temporarily-unavailable", "502 portal-error", "504 portal-timeout"
REJECTED, REAUTHORIZE = "422 authorization-rejected", "409 reauthorization-required"


@dataclass(frozen=True)
class Call:
    """A call of the vendor: the scene that makes it, its name in the sandbox, and what is told by class."""

    scene: str
    operation: str
    told: dict[str, str]
    late: str = TIMEOUT
    otherwise: dict[str, str] = field(default_factory=dict)
    """By fault, where the class does not say it."""
    skipped: tuple[str, ...] = ()
    """Faults that are none here: the answer says nothing of a token, an endpoint or a grant."""


_AWAY = {"N": UNAVAILABLE, "B": UNAVAILABLE}
_WRONG = {"A": PORTAL_ERROR, "S": PORTAL_ERROR}
_TASK = {"N": "0 PortalUnreachable", "B": "0 PortalBusy", "A": "0 PortalUnclear", "S": "0 PortalUnusable"}
_OF_TOKENS = ("empty-token", "other-endpoint")
CALLS = {
    "exchange": Call(
        "exchange_token",
        "token",
        {
            "N": UNAVAILABLE,
            "B": UNAVAILABLE,
            "A": PORTAL_ERROR,
            "S": PORTAL_ERROR,
            "R": REJECTED,
            "U": REJECTED,
        },
    ),
    "refresh": Call(
        "retrieve_records-refreshing",
        "refresh",
        {
            "N": UNAVAILABLE,
            "B": UNAVAILABLE,
            "A": PORTAL_ERROR,
            "S": PORTAL_ERROR,
            "R": REAUTHORIZE,
            "U": PORTAL_ERROR,
        },
    ),
    "start": Call(
        "begin_retrieval",
        "start",
        _TASK | {"R": "0 ReauthorizationRequired", "U": "0 PortalRejected"},
        late="0 PortalTimeout",
        otherwise={"400-known": "0 PortalRejected", "403-known": "0 PortalRejected"},
        skipped=(*_OF_TOKENS, "wrong-type"),
    ),
    "poll": Call(
        "poll_retrieval",
        "retrieve",
        dict.fromkeys("NBASRU", "200 running"),
        late="200 running",
        otherwise={
            "401-in-error-data": "200 restart",
            "error-data-200": "0 RetrievalFailed",
            "over-the-cap": "0 ResultTooLarge",
            "gzip-bomb": "0 ResultTooLarge",
        },
        skipped=("other-endpoint",),
    ),
    "fetch": Call(
        "retrieve_records-at-once",
        "fetch",
        {
            "N": UNAVAILABLE,
            "B": UNAVAILABLE,
            "A": PORTAL_ERROR,
            "S": PORTAL_ERROR,
            "R": REAUTHORIZE,
            "U": PORTAL_ERROR,
        },
        otherwise={"400-known": PORTAL_ERROR, "403-known": PORTAL_ERROR},
        skipped=("other-endpoint",),
    ),
    "directory": Call(
        "search_portals",
        "search",
        {
            "N": UNAVAILABLE,
            "B": UNAVAILABLE,
            "A": PORTAL_ERROR,
            "S": PORTAL_ERROR,
            "R": PORTAL_ERROR,
            "U": PORTAL_ERROR,
        },
        otherwise={"401": UNAVAILABLE, "401-known": UNAVAILABLE},
        skipped=("other-endpoint",),
    ),
}


def cells() -> Iterator[object]:
    for call, made in CALLS.items():
        for fault in FAULTS:
            if fault not in made.skipped:
                for when in ("first", "retry", "concurrent"):
                    yield pytest.param(call, fault, when, id=f"{call}/{fault}/{when}")


@pytest.mark.parametrize(("call", "name", "when"), list(cells()))
def test_trouble(ground: Ground, call: str, name: str, when: str) -> None:
    made, fault = CALLS[call], FAULTS[name]
    scene = SCENES[made.scene](ground)
    hurry(ground, fault)
    peers: list[Told] = []
    if when == "concurrent":
        point = next(n for n, effect in enumerate(EFFECTS[made.scene]) if effect.startswith("onerecord."))
        ground.effects.step_in(point, lambda: peers.append(scene.peer()))
    with failing(ground, made.operation, fault):
        told = scene.call()
    assert told.word not in ("internal", "Defect"), told
    assert all(peer.word not in ("internal", "Defect") for peer in peers), peers
    if when != "concurrent":
        assert str(told) == expected(made, name, fault)
        if fault.retry_after and call != "poll":
            assert told.retry_after == fault.retry_after
        stored_after(scene, told, fault)
    if when != "first":
        ended_after(scene, told, fault)


def expected(made: Call, name: str, fault: Fault) -> str:
    return made.otherwise.get(name) or (made.late if fault.late else made.told[fault.kind])


def stored_after(scene: Scene, told: Told, fault: Fault) -> None:
    """What is stored right after one run into a fault."""
    if isinstance(scene, Exchanging):
        state = {"N": State.CODE_HELD, "B": State.CODE_HELD, "R": State.FAILED, "U": State.FAILED}
        assert scene.state() is state.get(fault.kind, State.EXCHANGING)
        closed = fault.kind in "RU"
        assert scene.connection.status is (Status.CLOSED if closed else Status.PENDING)
        assert scene.connection.tokens is None
    if isinstance(scene, OverAConnection):
        after = scene.connection
        marked = told.word in ("reauthorization-required", "ReauthorizationRequired")
        assert after.status is (Status.REAUTHORIZATION_REQUIRED if marked else Status.ACTIVE)
        # The refresh token is there, whatever happened.
        kept = scene.ground.tokens(after).refresh
        assert kept is not None
        assert kept.reveal() == scene.ground.login(scene.ground.portal).reply["refreshToken"]
        if not marked and told.word != "restart":
            assert after.lease_until <= scene.ground.clock.now, "the way is free"


def ended_after(scene: Scene, told: Told, fault: Fault) -> None:
    """What comes of it once the trouble is over."""
    ground = scene.ground
    if fault.late:
        ground.monkeypatch.setattr("tests.faults.upstream.SOON", 20.0)
    if told.come_again:
        ground.later(1 + (told.retry_after or 0))
    if isinstance(scene, Exchanging):
        scene.settle()
        assert scene.done() != (scene.reason() is not None)
        if fault.kind in "RU" or fault.spent:
            assert scene.reason() in ("rejected", "outcome_unknown")
        return
    if isinstance(scene, OverAConnection) and scene.connection.status is not Status.ACTIVE:
        assert fault.kind == "R"
        assert scene.connection.reason == "portal_refused"
        return
    if isinstance(scene, Beginning | Taking) and told.word in (
        "PortalRejected",
        "ResultTooLarge",
        "RetrievalFailed",
    ):
        failed(scene, told)
        return
    if told.word == "restart":
        assert ground.call("begin_retrieval", {"retrievalId": scene.rid}).word == "running"  # type: ignore[attr-defined]
    if isinstance(scene, AtOnce):
        ground.later(60)  # whatever pause a failed refresh asks for
    scene.settle()
    assert scene.done(), scene.last


def failed(scene: Beginning | Taking, told: Told) -> None:
    """The workflow gives up: the reason is kept, and the connection is as it was."""
    ended = scene.ground.call("finish_retrieval", {"retrievalId": scene.rid, "error": told.word})
    assert ended.word == "failed"
    reasons = {"PortalRejected": "portal_rejected", "ResultTooLarge": "result_too_large"}
    stored = scene.retrieval
    assert (stored.status, stored.reason) == (
        RetrievalStatus.FAILED,
        reasons.get(told.word, "vendor_error"),
    )
    assert scene.alive()
    assert not scene.ground.objects(stored.prefix)


@pytest.mark.parametrize("name", sorted(name for name in FAULTS if name != "other-endpoint"))
def test_the_last_good_copy_serves_while_the_directory_is_in_trouble(ground: Ground, name: str) -> None:
    hurry(ground, FAULTS[name])
    scene = Searching(ground)
    function = ground.load("search_portals")
    assert told_by(function, scene.request()).status == 200
    directory = function.module.directory
    directory._monotonic = lambda: 1e9
    (question,) = directory._kept
    directory._kept[question] = 1e9 - 3600, directory._kept[question][1]
    with failing(ground, "search", FAULTS[name]):
        directory._base = ground.settings.get("DIRECTORY_URL", directory._base)
        told = told_by(function, scene.request())
    assert told.status == 200
    assert told.answer["headers"]["Age"] == "3600"
    assert "Stale" in told.answer["headers"]["Warning"]
