"""The app's own URL that the browser is sent back to (RFC 8252, RFC 9700 section 4.11)."""

from collections.abc import Collection
from urllib.parse import urlencode

from portico.errors import InvalidRequest


def checked(url: str, allowed: Collection[str]) -> str:
    """The URL if the deployment allows exactly it. Raises InvalidRequest."""
    if url not in allowed:
        raise InvalidRequest("returnUrl", "must be one of the return URLs that this deployment allows")
    return url


def with_outcome(url: str, connection_id: str, status: str, handle: str | None = None) -> str:
    """Where the browser goes: the outcome in the query, the handle in the fragment.

    There is always a fragment, so that none of an earlier URL is inherited on the way.
    """
    joint = "&" if "?" in url else "?"
    fragment = urlencode({"handle": handle}) if handle else status
    return f"{url}{joint}{urlencode({'connection': connection_id, 'status': status})}#{fragment}"
