"""Nothing that a patient, a browser, an app or the vendor holds is carried anywhere but where it is meant to go.

Every secret and every health field is a canary, everything is played, every sink is searched in every writing.
"""

import json
from base64 import b64encode
from urllib.parse import quote

import pytest

from sandbox.world.world import World
from tests.leaks.canaries import CLASSES, Canaries, Search, forms
from tests.leaks.sinks import ALLOWED, AWS_SINKS, SINKS, Collected


def test_no_sink_holds_anything_that_is_not_meant_for_it(
    collected: Collected, search: Search, table: list[str]
) -> None:
    cells = {sink: {kind for text in collected[sink] for kind in search.classes_in(text)} for sink in SINKS}
    _show(table, cells, collected)
    leaked = [(kind, sink) for sink in SINKS for kind in sorted(cells[sink]) if (kind, sink) not in ALLOWED]
    shown = [
        f"{kind} in {sink}: {form[:16]}... in {text[:400]}"
        for kind, sink in leaked
        for found, form, text in list(search.found(collected[sink]))[:2000]
        if found == kind
    ]
    assert leaked == [], "\n".join(shown[:20])


def test_every_exception_to_the_rule_is_still_needed(collected: Collected, search: Search) -> None:
    unused = [
        (kind, sink)
        for kind, sink in ALLOWED
        if not any(kind in search.classes_in(text) for text in collected[sink])
    ]
    assert unused == []


def test_every_sink_was_listened_to_and_every_class_has_canaries(
    collected: Collected, canaries: Canaries
) -> None:
    assert [sink for sink in SINKS if not collected[sink]] == []
    assert [kind for kind in CLASSES if not canaries.by_class[kind]] == []
    assert len(canaries.by_class["FHIR content"]) > 500
    assert any('"browser launched"' in line for line in collected["logs"])
    assert any("retrieval.failed" in line for line in collected["events"])


@pytest.mark.parametrize("kind", CLASSES)
def test_the_scanner_finds_a_planted_canary_of_each_class_in_each_sink(
    kind: str, collected: Collected, search: Search, canaries: Canaries
) -> None:
    for sink in SINKS:
        short = sorted(collected[sink], key=len)[:5]
        innocent = next((text for text in short if kind not in search.classes_in(text)), "-")
        middle = len(innocent) // 2
        for written in forms(canaries.of(kind)[0]):
            planted = f"{innocent[:middle]}{written}{innocent[middle:]}"
            assert kind in search.classes_in(planted), (sink, written)


def test_a_canary_is_found_whatever_is_written_around_it(search: Search, canaries: Canaries) -> None:
    for kind in CLASSES:
        text = next(text for text in canaries.of(kind) if text.isascii())
        for before in range(7):
            wrapped = json.dumps({"a": f"{'x' * before}{text}é"})
            packed = wrapped.encode()
            for written in (
                wrapped,
                json.dumps(wrapped),
                b64encode(packed).decode(),
                packed.hex(),
                quote(wrapped),
            ):
                assert kind in search.classes_in(written), (kind, written)


def test_functions_send_no_metrics_and_no_traces_of_their_own(world: World, collected: Collected) -> None:
    services = {json.loads(line)["service"] for line in collected["other AWS calls"]}
    assert services <= {"secretsmanager", "states", "lambda", "sts", "logs"}, services


def _show(table: list[str], cells: dict[str, set[str]], collected: Collected) -> None:
    table.clear()
    table.append("| sink | texts | " + " | ".join(CLASSES) + " |")
    table.append("|--|--|" + "--|" * len(CLASSES))
    for sink in SINKS:
        marks = [
            "0" if kind not in cells[sink] else "meant" if (kind, sink) in ALLOWED else "LEAK"
            for kind in CLASSES
        ]
        table.append(f"| {sink} | {len(collected[sink])} | " + " | ".join(marks) + " |")
    assert len(AWS_SINKS) == 10
