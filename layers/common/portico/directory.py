"""The portal directory: what a portal is, and how a search over it is asked and answered (vendor guide, step 1)."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portico import authorization_url, pkce
from portico.authorization_url import Redirectors, UnusableUrl
from portico.errors import InvalidRequest
from portico.ids import base64url

DATA_TYPES = ("clinical", "payer")
LONGEST_TERM = 100
LONGEST_CURSOR = 4096


@dataclass(frozen=True, slots=True)
class Portal:
    """An entry of the vendor's directory. The two URLs stay inside; `as_json` is what apps see."""

    id: str
    name: str
    organization: str
    vendor: str
    data_type: str
    street: str
    city: str
    state: str
    zip: str
    latitude: float | None
    longitude: float | None
    status: str
    pkce: pkce.Method | None
    redirect_uri: str
    derived_auth_uri: str

    @classmethod
    def parse(cls, row: object, data_type: str, redirectors: Redirectors) -> "Portal | None":
        """A directory row, or None for one without id. Keys in any letter case; absent or null fields allowed.

        `status` is "active", "inactive" (whatever else the vendor says), or "unsupported": its URLs or its
        PKCE method are not such that a patient may be sent there.
        """
        if not isinstance(row, Mapping):
            return None
        fields = {str(key).lower(): value for key, value in row.items()}
        portal_id = _text(fields, "_id")
        if not portal_id:
            return None
        redirect_uri = _text(fields, "redirecturi") or _text(fields, "redirecturl")
        derived = _text(fields, "derivedauthuri") or _text(fields, "derivedauthurl")
        status = "active" if _text(fields, "endpointstatus").lower() == "active" else "inactive"
        method = None
        try:
            method = authorization_url.method_of(redirect_uri, derived)
            authorization_url.outbound(redirect_uri, derived, "probe" if method else None, redirectors)
        except (UnusableUrl, pkce.UnsupportedMethod):
            status = "unsupported"
        latitude, longitude = _place(fields)
        return cls(
            id=portal_id,
            name=_text(fields, "name"),
            organization=_text(fields, "parent_org"),
            vendor=_text(fields, "vendor"),
            data_type=said if (said := _text(fields, "datatype").lower()) in DATA_TYPES else data_type,
            street=_text(fields, "street"),
            city=_text(fields, "city"),
            state=_text(fields, "state"),
            zip=_text(fields, "zip"),
            latitude=latitude,
            longitude=longitude,
            status=status,
            pkce=method,
            redirect_uri=redirect_uri,
            derived_auth_uri=derived,
        )

    @property
    def connectable(self) -> bool:
        """Whether a patient may be sent to this portal."""
        return self.status == "active"

    def as_json(self) -> dict[str, Any]:
        """`Portal` of the HTTP contract."""
        here = None
        if self.latitude is not None and self.longitude is not None:
            here = {"lat": self.latitude, "lon": self.longitude}
        return {
            "id": self.id,
            "name": self.name,
            "organization": self.organization,
            "vendor": self.vendor,
            "dataType": self.data_type,
            "address": {"street": self.street, "city": self.city, "state": self.state, "zip": self.zip},
            "location": here,
            "status": self.status,
            "pkce": self.pkce is not None,
        }


@dataclass(frozen=True, slots=True)
class Listing:
    """What the directory said, and how old that is; `stale` when the vendor could not be asked again."""

    portals: Sequence[Portal]
    age: int = 0
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A search as an app asks it."""

    data_type: str
    term: str = ""
    limit: int = 25
    after: tuple[str, str] | None = None

    @classmethod
    def parse(cls, data_type: str, parameters: Mapping[str, str] | None) -> "Query":
        """Raises InvalidRequest naming the parameter."""
        given = parameters or {}
        if data_type not in DATA_TYPES:
            raise InvalidRequest("dataType", "must be clinical or payer")
        term = given.get("q", "")
        if len(term) > LONGEST_TERM:
            raise InvalidRequest("q", f"must be at most {LONGEST_TERM} characters")
        if any(ord(c) < 0x20 or ord(c) == 0x7F for c in term):
            raise InvalidRequest("q", "must not contain control characters")
        cursor = given.get("cursor")
        return cls(data_type, term.strip(), limit_of(given), _after(cursor) if cursor is not None else None)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search, with the cursor of the next."""

    portals: Sequence[Portal]
    next: str | None


def page(listing: Listing, query: Query) -> Page:
    """The asked page of what the directory returned: without duplicates, matching, ordered by name.

    When nothing of what the vendor returned matches by our reading, the vendor's word stands.
    """
    unique = {portal.id: portal for portal in listing.portals}
    matching = [p for p in unique.values() if matches(p, query.term)] or list(unique.values())
    rest = sorted(matching, key=_order)
    if query.after:
        rest = [p for p in rest if _order(p) > query.after]
    chosen = rest[: query.limit]
    more = len(rest) > len(chosen)
    return Page(chosen, base64url(json.dumps(_order(chosen[-1])).encode()) if more else None)


def find(portals: Iterable[Portal], portal_id: str) -> Portal | None:
    """The portal with that id."""
    return next((portal for portal in portals if portal.id == portal_id), None)


def limit_of(parameters: Mapping[str, str]) -> int:
    """The page size asked for: 1..100, 25 when absent. Raises InvalidRequest."""
    text = parameters.get("limit", "25")
    if not text.isascii() or not text.isdigit() or len(text) > 3 or not 1 <= int(text) <= 100:
        raise InvalidRequest("limit", "must be a whole number from 1 to 100")
    return int(text)


def matches(portal: Portal, term: str) -> bool:
    """Whether a portal is what somebody means by a part of a name, the beginning of a ZIP code, or an id."""
    term = term.casefold()
    names = (portal.name.casefold(), portal.organization.casefold())
    return any(term in name for name in names) or portal.zip.startswith(term) or portal.id.casefold() == term


def _order(portal: Portal) -> tuple[str, str]:
    # As much of a name as a cursor carries.
    return portal.name.casefold()[:100], portal.id


def _after(cursor: str) -> tuple[str, str]:
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError
        name, portal_id = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError):
        raise InvalidRequest("cursor", "must be a cursor that a previous page gave") from None
    if not isinstance(name, str) or not isinstance(portal_id, str):
        raise InvalidRequest("cursor", "must be a cursor that a previous page gave")
    return name, portal_id


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return value.strip() if isinstance(value, str) else str(value) if type(value) in (int, float) else ""


def _place(fields: Mapping[str, object]) -> tuple[float | None, float | None]:
    location = fields.get("location")
    nested = location if isinstance(location, Mapping) else {}
    return (
        _degrees(fields.get("latitude"), nested.get("lat")),
        _degrees(fields.get("longitude"), nested.get("lon")),
    )


def _degrees(*candidates: object) -> float | None:
    for value in candidates:
        if isinstance(value, int | float) and not isinstance(value, bool) and -180 <= value <= 180:
            return float(value)
    return None
