"""A simulated portal's grants, with every way of treating refresh tokens that portals are known for."""

from enum import StrEnum

GRACE_SECONDS = 60.0


class Rotation(StrEnum):
    """What presenting a refresh token does to it."""

    STATIC = "static"
    SAME = "same"
    """A spent token works a little longer, and brings the same successor."""
    BRANCH = "branch"
    """A spent token works a little longer, and brings a further successor; all of them work."""
    LATEST = "latest"
    """A spent token works a little longer, and brings a further successor; only the last of them works."""
    STRICT = "strict"
    FAMILY = "family"
    """Strict, and a spent token that is presented again ends the whole grant."""


FORGIVING = frozenset({Rotation.SAME, Rotation.BRANCH, Rotation.LATEST})


class Grant:
    """What one login of the patient gave. Tokens are numbered in the order in which they were made."""

    def __init__(self, number: int, rotation: Rotation, life: float, now: float) -> None:
        self.number, self.rotation, self.life = number, rotation, life
        self.newest = 1
        self.revoked = self.ended = False
        self._good_until = {1: float("inf")}
        self._access = {1: now + life}
        self.refreshes = 0
        # Kept by the world around: what was made and never got home, and what did.
        self.orphaned: list[float] = []
        self.received = 1
        self.in_flight = False

    def accepts(self, refresh: int, now: float) -> bool:
        """Whether presenting this refresh token now would be answered with tokens."""
        return not (self.revoked or self.ended) and self._good_until.get(refresh, -1.0) >= now

    def present(self, refresh: int, now: float) -> tuple[int, int] | None:
        """A refresh: the numbers of the new access token and the refresh token that goes with it."""
        if not self.accepts(refresh, now):
            if self.rotation is Rotation.FAMILY and refresh < self.newest:
                self.ended = True
            return None
        self.refreshes += 1
        access = 1 + self.refreshes
        self._access[access] = now + self.life
        return access, self._successor(refresh, now)

    def honours(self, access: int, now: float) -> bool:
        """Whether records may be read with this access token."""
        return not (self.revoked or self.ended) and self._access.get(access, -1.0) >= now

    def access_until(self, access: int) -> float | None:
        """When an access token is over by itself; None for one that the portal took back."""
        return self._access.get(access)

    def expire_access(self) -> None:
        """The portal forgets its access tokens before their time."""
        self._access.clear()

    def _successor(self, refresh: int, now: float) -> int:
        rotation, good = self.rotation, self._good_until
        if rotation is Rotation.STATIC:
            return refresh
        if rotation is Rotation.SAME and refresh != self.newest:
            return self.newest
        if rotation in FORGIVING:
            good[refresh] = min(good[refresh], now + GRACE_SECONDS)
            if rotation is Rotation.LATEST and refresh != self.newest:
                del good[self.newest]
        else:
            del good[refresh]
        self.newest += 1
        good[self.newest] = float("inf")
        return self.newest
