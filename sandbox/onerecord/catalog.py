"""The directory's endpoints and the addresses that each entry hands out.

An entry's two URLs are written as strings here and nowhere parsed again: portals of the real kind come with
odd escapes, repeated parameters and preset state, and a client has to keep every byte of them.
"""

import re
import unicodedata
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sandbox.onerecord.organizations import CLINICAL, PAYERS, DataType, Organization, Place, small_plans
from sandbox.portals.personas import Persona

_IDS = uuid.UUID("6b0f6c3e-5f0a-4b6e-9c58-9d6d0f6a4c11")


@dataclass(frozen=True)
class Endpoint:
    """One portal as the directory knows it."""

    id: str
    slug: str
    name: str
    vendor: str
    data_type: DataType
    persona: Persona
    place: Place
    client_id: str
    challenge_method: str | None
    preset_state: bool
    derived_client_id: str
    inbound: str = "/fhir/inbound"
    derived_inbound: str = "/fhir/inbound"
    extra_query: str = ""
    strict_query: bool = False
    lower_case_escapes: bool = False
    status: str = "active"
    without: frozenset[str] = frozenset()
    null: frozenset[str] = frozenset()
    listed_twice: bool = False

    @property
    def state(self) -> str | None:
        """The state that this entry's URLs come with."""
        return uuid.uuid5(_IDS, f"state of {self.slug}").hex[:16] if self.preset_state else None

    @property
    def usable_method(self) -> str | None:
        """S256 or plain when the portal wants PKCE, None when not, "" when nobody can satisfy it."""
        if self.challenge_method is None:
            return None
        if self.challenge_method.upper() in ("S256", ""):
            return "S256"
        return "plain" if self.challenge_method == "plain" else ""


class Catalog:
    """All endpoints, with the addresses of this sandbox's redirector and portals in them."""

    def __init__(self, redirector: str, portals: str) -> None:
        self.redirector, self.portals = redirector, portals
        self._endpoints = tuple(_endpoint(one) for one in (*CLINICAL, *PAYERS, *small_plans()))
        self._by_id = {endpoint.id: endpoint for endpoint in self._endpoints}
        self._by_slug = {endpoint.slug: endpoint for endpoint in self._endpoints}

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._endpoints)

    def get(self, endpoint_id: str) -> Endpoint | None:
        return self._by_id.get(endpoint_id)

    def by_slug(self, slug: str) -> Endpoint | None:
        return self._by_slug.get(slug)

    def of_portal_url(self, portal_url: str) -> Endpoint | None:
        """The endpoint whose login page a URL points to."""
        path = portal_url.removeprefix(f"{self.portals}/portal/").partition("/")[0]
        return self._by_slug.get(path)

    def redirect_uri(self, endpoint: Endpoint) -> str:
        """The one redirect_uri that the portal has registered."""
        return self.redirector + endpoint.inbound

    def authorize_query(self, endpoint: Endpoint) -> str:
        """The query of portalURL, byte for byte."""
        persona = endpoint.persona
        parts = [
            f"client_id={endpoint.client_id}",
            f"redirect_uri={quote(self.redirect_uri(endpoint), safe='')}",
            "response_type=code",
        ]
        parts += [f"scope={persona.scope}"] if persona.scope else []
        parts += [endpoint.extra_query] if endpoint.extra_query else []
        parts += [f"state={endpoint.state}"] if endpoint.state else []
        if endpoint.challenge_method is not None and persona.method_in_portal_url:
            parts.append(f"code_challenge_method={endpoint.challenge_method}")
        return "&".join(parts)

    def portal_url(self, endpoint: Endpoint) -> str:
        return f"{self._authorize(endpoint)}?{self.authorize_query(endpoint)}"

    def redirect_url(self, endpoint: Endpoint) -> str:
        """The entry's redirectUri: the redirector's outbound address without a clientURL."""
        nested = quote(self.portal_url(endpoint), safe="-._~!*'()")
        if endpoint.lower_case_escapes:
            nested = re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), nested)
        return f"{self.redirector}/outbound/?portalURL={nested}"

    def derived_url(self, endpoint: Endpoint) -> str:
        """The entry's derivedAuthUri, which alone may name the PKCE method."""
        redirect_uri = quote(self.redirector + endpoint.derived_inbound, safe="")
        query = f"client_id={endpoint.derived_client_id}&redirect_uri={redirect_uri}&response_type=code"
        if endpoint.state:
            query += f"&state={endpoint.state}"
        if endpoint.challenge_method is not None:
            query += f"&code_challenge_method={endpoint.challenge_method}"
        return f"{self._authorize(endpoint)}?{query}"

    def row(self, endpoint: Endpoint) -> dict[str, Any]:
        """The entry as the directory writes it."""
        place = endpoint.place
        row: dict[str, Any] = {
            "name": endpoint.name,
            "city": place.city,
            "state": place.state,
            "street": place.street,
            "zip": place.zip,
            "vendor": endpoint.vendor,
            "endpointStatus": endpoint.status,
            "disposition": "1",
            "dataType": endpoint.data_type,
            "derivedAuthUri": self.derived_url(endpoint),
            "redirectUri": self.redirect_url(endpoint),
            "latitude": place.latitude,
            "longitude": place.longitude,
            "location": {"lat": place.latitude, "lon": place.longitude},
            "_id": endpoint.id,
            "parent_org": "Sandbox",
        }
        return {key: None if key in endpoint.null else row[key] for key in row if key not in endpoint.without}

    def _authorize(self, endpoint: Endpoint) -> str:
        return f"{self.portals}/portal/{endpoint.slug}/authorize"


def _endpoint(organization: Organization) -> Endpoint:
    slug, persona = _slug(organization.name), organization.persona
    client_id = str(uuid.uuid5(_IDS, f"client of {slug}"))
    fields: dict[str, Any] = {
        "id": str(uuid.uuid5(_IDS, slug)),
        "client_id": client_id,
        "derived_client_id": client_id,
        "challenge_method": persona.challenge_method,
        "preset_state": persona.preset_state,
        "extra_query": persona.extra_query,
        **organization.oddly,
    }
    return Endpoint(
        slug=slug,
        name=organization.name,
        vendor=organization.vendor,
        data_type=organization.data_type,
        persona=persona,
        place=organization.place,
        **fields,
    )


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "-", plain).strip("-")
