"""Connecting never mixes up people, whatever three of them do to each other."""

import gc
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.protocols.connect_machine import EXPECTED, STEPS, run

ALL_STEPS = 500_000
CHUNK = 100


def test_no_step_lets_one_persons_records_into_anothers_account() -> None:
    begun = time.monotonic()
    seen: Counter[str] = Counter()
    broken: dict[int, str] = {}
    with ProcessPoolExecutor(os.cpu_count(), get_context("fork"), gc.freeze) as pool:
        for counted, said in pool.map(_walked, range(0, ALL_STEPS // STEPS, CHUNK)):
            seen += counted
            broken |= said
    print(f"connect: {ALL_STEPS:,} steps in {time.monotonic() - begun:.1f} s")  # noqa: T201
    assert not broken, "".join(f"seed {seed}: {said}\n" for seed, said in broken.items())
    assert sorted(EXPECTED - set(seen)) == []


def _walked(first: int) -> tuple[Counter[str], dict[int, str]]:
    seen: Counter[str] = Counter()
    broken = {}
    for seed in range(first, first + CHUNK):
        said, machine = run(seed)
        seen += machine.seen
        if said:
            broken[seed] = said
    return seen, broken
