"""The sandbox's clock: what the vendor and the portals believe the time is."""

import time


class Clock:
    """Real time plus what has been advanced, so that token lives and the two-hour cache can be skipped."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move forward; time never runs backwards here."""
        if not 0 <= seconds <= 10 * 366 * 86_400:
            raise ValueError("advance takes 0 seconds to ten years")
        self._ahead += seconds
