"""A function is killed before each of its effects and after the last; then whoever called it comes again.

`alone`: killed once. `twice`: killed at the same point again, where leases and counts are kept. `peer`: another
worker does the whole of it at that moment, then this one dies. `stalled`: another worker does the whole of it,
and this one goes on. Whatever the point, in the end it is done, or somebody is told why not; never both, never
neither.
"""

from collections.abc import Iterator

import pytest

from tests.faults.effects import Killed
from tests.faults.ground import Ground, Told
from tests.faults.points import EFFECTS
from tests.faults.scenes import SCENES, Scene

COUNTING = ("exchange_token", "begin_", "poll_", "refresh_", "retrieve_records-r")
WHEN = ("alone", "twice", "peer", "stalled")

# Where a loss cannot be helped, and is told: the vendor has used up a code or a token and whoever knew of the
# answer is gone; or a browser is gone with the only cookie that binds its login.
LOST_WITH_THE_ANSWER = {
    ("exchange_token", "dynamodb.TransactWriteItems"): "rejected",
    ("retrieve_records-rotating", "dynamodb.UpdateItem 2"): "portal_refused",
    ("launch_connection", "end"): "wrong_browser",
}
# Of two browsers (or one that asks twice) the first is bound: the other is told so.
SECOND_BROWSER = {("launch_connection", when): "wrong_browser" for when in ("peer", "stalled")}


def cells() -> Iterator[object]:
    for name, effects in sorted(EFFECTS.items()):
        for point, effect in enumerate([*effects, "end"]):
            counting = name.startswith(COUNTING)
            for when in WHEN if counting else (one for one in WHEN if one != "twice"):
                yield pytest.param(name, point, when, id=f"{name}/{point:02}-{effect}/{when}")


def test_the_effects_of_every_function_are_known(ground: Ground) -> None:
    assert set(SCENES) == set(EFFECTS)


@pytest.mark.parametrize("name", sorted(EFFECTS))
def test_nothing_else_happens(ground: Ground, name: str) -> None:
    scene = SCENES[name](ground)
    scene.call()
    assert tuple(ground.effects.seen) == EFFECTS[name]
    assert scene.done(), scene.last
    assert scene.reason() is None


def numbered(name: str, point: int) -> str:
    """An effect's name; of several in one function, with a number."""
    effects = [*EFFECTS[name], "end"]
    before = effects[:point].count(effects[point])
    return effects[point] + (f" {before + 1}" if before else "")


def killed_at(scene: Scene, point: int, peer: list[Told] | None = None) -> bool:
    """The function runs until that point; whether it came so far."""
    effects = scene.ground.effects
    effects.another_process()

    def die() -> None:
        if peer is not None:
            peer.append(scene.peer())
        effects.kill()

    effects.step_in(point, die)
    try:
        scene.call()
    except Killed:
        effects.another_process()
        scene.died()
        return True
    effects.another_process()
    if peer is not None:
        peer.append(scene.peer())
    return False


@pytest.mark.parametrize(("name", "point", "when"), list(cells()))
def test_killed(ground: Ground, name: str, point: int, when: str) -> None:
    scene = SCENES[name](ground)
    peers: list[Told] = []
    if when == "stalled":
        ground.effects.step_in(point, lambda: peers.append(scene.peer()))
        first = scene.call()
        assert (first.status, first.word) != (500, "internal")
        assert first.word != "Defect"
    else:
        came = killed_at(scene, point, peers if when == "peer" else None)
        assert came == (point < len(EFFECTS[name]))
        if when == "twice":
            killed_at(scene, point)
    # The answer of a function that died is nobody's; a vendor's answer that was overtaken neither.
    for peer in peers:
        assert (peer.status, peer.word) != (500, "internal")
        assert peer.word != "Defect"
    scene.settle()
    done, reason = scene.done(), scene.reason()
    assert done != (reason is not None), f"{scene.last}: done {done}, reason {reason}"
    if reason is not None:
        expected = LOST_WITH_THE_ANSWER.get((name, numbered(name, point))) or SECOND_BROWSER.get((name, when))
        assert reason == expected, f"{scene.last}: {reason}"
