"""A browser on its way: launched to the portal, and back from it. Nothing here trusts what it brings along."""

from dataclasses import dataclass
from typing import Protocol

from portico import attempt as attempt_
from portico import authorization_url, pkce, return_url, sealing
from portico.attempt import Attempt, BrowserProblem, Callback, Fragment, State
from portico.errors import Conflict
from portico.exchange import HeldCode
from portico.ids import Random, digest, is_secret, new_secret, session_of
from portico.instants import Clock
from portico.sealing import Sealer
from portico.secret import Secret


class Attempts(Protocol):
    """The attempts table."""

    def get(self, key: str) -> Attempt | None:
        """The attempt, read consistently."""
        ...

    def replace(self, old: Attempt, new: Attempt) -> None:
        """Stores `new` if the attempt is still as `old` was read. Raises Conflict."""
        ...


class Connections(Protocol):
    """The connections table, as far as a refused login goes."""

    def close_of(self, old: Attempt, new: Attempt) -> None:
        """Ends the attempt, and the connection with it if this was its first. Raises Conflict."""
        ...


@dataclass(frozen=True, slots=True)
class Launch:
    """Sends the browser that opens a launch ticket on to the redirector."""

    attempts: Attempts
    clock: Clock
    random: Random

    def go(self, ticket: str, cookie: str | None, base_url: str) -> tuple[str, str]:
        """The redirector's URL and the cookie that binds this browser. Raises BrowserProblem, Conflict."""
        if not is_secret(ticket):
            raise BrowserProblem(Fragment.INVALID)
        session = session_of(ticket)
        for _ in range(3):
            found = self.attempts.get(digest(session))
            if found is None:
                raise BrowserProblem(Fragment.INVALID)
            bound, cookie_now = attempt_.launch(found, cookie, new_secret(self.random), self.clock())
            try:
                if bound is not found:
                    self.attempts.replace(found, bound)
            except Conflict:
                if self.attempts.get(bound.key) != bound:
                    continue
                # This very write, repeated after a lost answer.
            client_url = f"{base_url}/oauth/callback/{session}"
            return authorization_url.with_client_url(_spoken(bound.outbound, ticket), client_url), cookie_now
        raise Conflict


def _spoken(outbound: str, ticket: str) -> str:
    """The URL with the verifier itself where the portal's method is plain; any other has no stand-in of it."""
    verifier = pkce.verifier_of(ticket)
    return outbound.replace(pkce.stand_in(verifier), verifier)


@dataclass(frozen=True, slots=True)
class Return:
    """Takes what a portal sends back, and sends the browser home to the app."""

    attempts: Attempts
    connections: Connections
    sealer: Sealer
    clock: Clock
    random: Random

    def receive(self, session: str, cookie: str | None, query: str) -> tuple[State, str]:
        """The attempt's state now, and the app's URL to go to. Raises BrowserProblem, StorageUnavailable.

        Malformed sessions cost no read; a foreign browser changes nothing.
        """
        if not is_secret(session):
            raise BrowserProblem(Fragment.INVALID)
        for _ in range(3):
            found = attempt_.check_callback(self.attempts.get(digest(session)), cookie, self.clock())
            callback = Callback.parse(query)
            attempt_.check_state(found, callback)
            try:
                if callback.error is not None:
                    return self._refused(found, callback)
                return self._held(found, session, callback)
            except Conflict:
                continue
        raise Conflict

    def _refused(self, found: Attempt, callback: Callback) -> tuple[State, str]:
        over = attempt_.refuse(found, callback)
        self.connections.close_of(found, over)
        return over.state, return_url.with_outcome(found.return_url, found.connection_id, over.state.value)

    def _held(self, found: Attempt, session: str, callback: Callback) -> tuple[State, str]:
        assert callback.code is not None
        handle = new_secret(self.random)
        mark = attempt_.code_mark(session, callback.code)
        sealed = b""
        if found.code_mark != mark and found.codes < attempt_.CODES_PER_ATTEMPT:
            held = HeldCode(Secret(callback.code), callback.state)
            sealed = self.sealer.prepare(sealing.code_of(found.key, found.codes + 1)).close(held.to_bytes())
        holding = attempt_.hold(found, mark, sealed, handle, self.clock())
        self.attempts.replace(found, holding)
        url = return_url.with_outcome(found.return_url, found.connection_id, "authorized", handle)
        return holding.state, url
