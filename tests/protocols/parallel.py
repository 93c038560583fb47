"""Histories by the hundred thousand: spread over the processors, stopped at the first that breaks a promise."""

import gc
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of many: how many were played in how many seconds, and what each that failed said, by seed."""

    played: int
    seconds: float
    broken: dict[int, str]

    def __str__(self) -> str:
        rate = self.played / max(self.seconds, 0.001)
        head = f"{self.played:,} in {self.seconds:.1f} s ({rate:,.0f}/s)"
        return "\n".join([head, *(f"seed {seed}: {said}" for seed, said in sorted(self.broken.items()))])


def play_all(play: Callable[[int], str], first: int, count: int, most_broken: int = 5) -> Outcome:
    """Plays seeds `first` to `first + count`; `play` says what a seed breaks, or nothing."""
    begun = time.monotonic()
    broken: dict[int, str] = {}
    played = 0
    # Forked, so that a process starts with everything imported, which the collector need not look at again.
    with multiprocessing.get_context("fork").Pool(os.cpu_count(), gc.freeze) as pool:
        chunks = [
            (play, seed, min(CHUNK, first + count - seed)) for seed in range(first, first + count, CHUNK)
        ]
        for number, found in pool.imap_unordered(_chunk, chunks):
            played += number
            broken |= found
            if len(broken) >= most_broken:
                pool.terminate()
                break
    return Outcome(played, time.monotonic() - begun, broken)


def _chunk(work: tuple[Callable[[int], str], int, int]) -> tuple[int, dict[int, str]]:
    play, first, count = work
    said = {seed: play(seed) for seed in range(first, first + count)}
    return count, {seed: what for seed, what in said.items() if what}
