"""The URL that sends a patient to a portal through the redirector (vendor guide, "Preparing Authorization URLs").

The directory's `redirectUri` holds the portal's authorization URL, percent-encoded, as `portalURL`. It is
edited in place: only `code_challenge` (and `code_challenge_method` where missing) are added to the nested
URL and `clientURL` is appended outside; every other byte stays as the vendor sent it, because portals
compare redirect URIs byte by byte.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlsplit

from portico import pkce

_UNIT = re.compile(r"%[0-9A-Fa-f]{2}|.", re.DOTALL)
# What urlsplit strips, or reads in another way than a browser does, and what must not get into a header.
_CRAFTED = re.compile(r"[^\x21-\x7e]|\\")
_PUBLIC_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")


class UnusableUrl(ValueError):
    """The directory's URLs are not such that a browser may be sent there."""


@dataclass(frozen=True, slots=True)
class Redirectors:
    """Where a browser may be sent: exact hosts (with port if not the default), https unless `loopback`.

    The vendor's text on PKCE can also be read as "derivedAuthUri plus challenge replaces portalURL";
    `derived_replaces_portal_url` chooses that reading.
    """

    hosts: frozenset[str]
    loopback: bool = False
    derived_replaces_portal_url: bool = False

    def check(self, url: str) -> None:
        """Raises UnusableUrl unless the URL's scheme and host are allowed."""
        try:
            parts = urlsplit(url)
        except ValueError:
            raise UnusableUrl("redirectUri is not a URL") from None
        if parts.scheme not in self._schemes() or parts.netloc.lower() not in self.hosts:
            raise UnusableUrl("redirectUri does not point to an allowed redirector")
        if "#" in url or _CRAFTED.search(url):
            raise UnusableUrl("redirectUri cannot be appended to")

    def check_portal(self, url: str) -> None:
        """Raises UnusableUrl for a portal URL that is not https to a public host name."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").rstrip(".")
            _ = parts.port
        except ValueError:
            raise UnusableUrl("portalURL is not a URL") from None
        if parts.scheme not in self._schemes() or not host or parts.username is not None:
            raise UnusableUrl("portalURL is not https")
        if not (self.loopback or _is_public(host)):
            raise UnusableUrl("portalURL does not point to a public host")

    def _schemes(self) -> tuple[str, ...]:
        return ("https", "http") if self.loopback else ("https",)


def method_of(redirect_uri: str, derived_auth_uri: str) -> pkce.Method | None:
    """The PKCE method that either URL asks for. Raises pkce.UnsupportedMethod, UnusableUrl."""
    nested = _Nested.of(redirect_uri)
    return pkce.method_asked(
        [*_values(nested.text, "code_challenge_method"), *_values(derived_auth_uri, "code_challenge_method")]
    )


def preset_state(redirect_uri: str) -> str | None:
    """The `state` that the vendor already put into the portal URL, or None."""
    return next((unquote(v) for v in _values(_Nested.of(redirect_uri).text, "state") if v), None)


def outbound(
    redirect_uri: str, derived_auth_uri: str, challenge: str | None, redirectors: Redirectors
) -> str:
    """The redirector URL with the challenge set, still without `clientURL`.

    `challenge` is None for a portal without PKCE. Raises UnusableUrl for URLs that a browser must not follow.
    """
    redirectors.check(redirect_uri)
    nested = _Nested.of(redirect_uri)
    redirectors.check_portal(nested.text)
    _check_answer(nested.text)
    if challenge is None:
        return redirect_uri
    method = method_of(redirect_uri, derived_auth_uri) or pkce.Method.S256
    if redirectors.derived_replaces_portal_url:
        if "<" in derived_auth_uri:
            raise UnusableUrl("derivedAuthUri is a pattern, not a URL")
        redirectors.check_portal(derived_auth_uri)
        _check_answer(derived_auth_uri)
        nested = replace(nested, units=tuple(_UNIT.findall(_quoted(derived_auth_uri))))
    nested = nested.with_parameter("code_challenge", challenge)
    said = _values(nested.text, "code_challenge_method")
    if len(said) != 1 or not said[0] or pkce.method_asked(said) is not method:
        nested = nested.with_parameter("code_challenge_method", method.value)
    return nested.whole()


def _check_answer(url: str) -> None:
    """A code in the query is the one answer that arrives here without passing through a page or a fragment."""
    if any(unquote(mode) not in ("", "query") for mode in _values(url, "response_mode")):
        raise UnusableUrl("portalURL asks for another response mode than query")
    if any(unquote(kind) != "code" for kind in _values(url, "response_type")):
        raise UnusableUrl("portalURL asks for another response type than code")


def _quoted(url: str) -> str:
    try:
        return quote(url, safe="")
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON may escape
        raise UnusableUrl("derivedAuthUri is no text") from None


def with_client_url(outbound_url: str, client_url: str) -> str:
    """The complete redirector URL; `client_url` is where the browser comes back to."""
    return f"{outbound_url}&clientURL={quote(client_url, safe='')}"


@dataclass(frozen=True, slots=True)
class _Nested:
    """The encoded value of `portalURL` between what stands before and after it.

    `units` are the value's characters or %XX escapes; `text` is its decoding, one character a unit, so that
    a position in the decoded URL is a position in the encoded one.
    """

    before: str
    units: tuple[str, ...]
    after: str

    @classmethod
    def of(cls, redirect_uri: str) -> "_Nested":
        found = None
        for start, end, name in _parameters(redirect_uri):
            if name.lower() == "clienturl":
                raise UnusableUrl("redirectUri already has a clientURL")
            if name.lower() == "portalurl":
                if found or name != "portalURL":
                    raise UnusableUrl("redirectUri names its portalURL in an unknown way")
                found = (start, end)
        if not found:
            raise UnusableUrl("redirectUri has no portalURL")
        start, end = found
        return cls(redirect_uri[:start], tuple(_UNIT.findall(redirect_uri[start:end])), redirect_uri[end:])

    @property
    def text(self) -> str:
        return "".join(chr(int(unit[1:], 16)) if len(unit) == 3 else unit for unit in self.units)

    def with_parameter(self, name: str, value: str) -> "_Nested":
        text = self.text
        escaped = quote(value, safe="-._~")
        present = [(start, end) for start, end, found in _parameters(text) if found == name]
        if len(present) > 1:
            raise UnusableUrl(f"portalURL names its {name} twice")
        if present:
            return self._spliced(*present[0], escaped)
        end = text.find("#") if "#" in text else len(text)
        query = text[:end]
        joint = "?" if "?" not in query else "" if query.endswith(("?", "&")) else "&"
        return self._spliced(end, end, f"{joint}{name}={escaped}")

    def whole(self) -> str:
        return self.before + "".join(self.units) + self.after

    def _spliced(self, start: int, end: int, text: str) -> "_Nested":
        inserted = tuple(_UNIT.findall(quote(text, safe="-._~")))
        return _Nested(self.before, self.units[:start] + inserted + self.units[end:], self.after)


def _parameters(url: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, name) of every query parameter's raw value."""
    end_of_url = url.find("#") if "#" in url else len(url)
    mark = url.find("?", 0, end_of_url)
    at = mark + 1 if mark >= 0 else end_of_url
    while at < end_of_url:
        end = url.find("&", at, end_of_url)
        end = end_of_url if end < 0 else end
        equals = url.find("=", at, end)
        name_end = equals if equals >= 0 else end
        yield min(name_end + 1, end), end, unquote(url[at:name_end])
        at = end + 1


def _values(url: str, name: str) -> Sequence[str]:
    return [url[start:end] for start, end, present in _parameters(url) if present == name]


def _is_public(host: str) -> bool:
    """Whether this can only be read as a name on the public internet, in no way as an address."""
    return (
        _PUBLIC_NAME.fullmatch(host) is not None
        and not host.endswith(".localhost")
        # Forms that resolvers take for addresses: 127.0.0.1, 0x7f.1, 127.1
        and re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*", host) is None
    )
