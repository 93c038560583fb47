"""The OneRecord API: directory and integrator, each operation exactly as the vendor's guide gives it.

Paths are data in one place. Nothing is retried here: whether a request may be repeated is for its caller to
know. Every exchange has a connect timeout, a total deadline and a cap on the bytes that it may bring.
"""

import ssl
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import certifi
import httpcore
import httpx

from portico.adapters.deadline_transport import DEADLINE, DeadlineTransport
from portico.adapters.device_secret import DeviceCredentials, DeviceSecret
from portico.authorization_url import Redirectors
from portico.directory import Listing, Portal, matches
from portico.errors import (
    DeviceTokenRefused,
    PortalTimeout,
    PortalUnclear,
    PortalUnreachable,
    PortalUnusable,
    PorticoError,
    ResultTooLarge,
    StorageUnavailable,
)
from portico.records_request import RecordsRequest
from portico.secret import Secret
from portico.tokens import TokenReply, Tokens
from portico.vendor import Reply, Stream, errors_of, failure, refusal, transaction_ids

SEARCH_PATHS = (
    "/directory/v1/client/endpoint/{type}/search/",
    "/directory/v1/client/fhir/endpoint/{type}/search/",
)
TOKEN_PATH = "/integrator/v1/fhir/auth/{id}/token"  # noqa: S105 - a path
RESOURCES_PATH = "/integrator/v1/fhir/resources/{id}"
ASYNC_PATH = "/integrator/v1/fhir/async/resources/{id}"
RESULT_PATH = "/integrator/v1/fhir/cache/retrieve/{id}"

CONNECT_SECONDS = 3.0
DIRECTORY_SECONDS = 10.0
TOKEN_SECONDS = 12.0
PROBE_SECONDS = 5.0
START_SECONDS = 30.0
RESULT_SECONDS = 840.0
MEBIBYTE = 1024 * 1024
LARGEST_REPLY = MEBIBYTE
LARGEST_DIRECTORY = 64 * MEBIBYTE
LARGEST_RECORDS = 64 * MEBIBYTE
LARGEST_RESULT = 4096 * MEBIBYTE

DIRECTORY_FRESH_SECONDS = 600
DIRECTORY_USABLE_SECONDS = 86_400
_CHUNK = 128 * 1024


class OneRecord:
    """HTTP to the vendor: one client, one TLS context, the device's credentials on every request."""

    def __init__(self, secret: DeviceSecret) -> None:
        self._secret = secret
        self._client: httpx.Client | None = None
        self._credentials: DeviceCredentials | None = None

    @contextmanager
    def stream(
        self, method: str, url: str, *, seconds: float, largest: int, json: Any = None
    ) -> Iterator[Stream]:
        """One exchange, its body still to be read. Raises PortalUnreachable, PortalUnclear, PortalTimeout."""
        client, token = self._ready(url)
        request = client.build_request(
            method,
            url,
            json=json,
            headers={"Authorization": f"Bearer {token.reveal()}"},
            extensions={DEADLINE: seconds},
        )
        with _failures():
            response = client.send(request, stream=True)
        try:
            yield Stream(
                response.status_code,
                {name.lower(): value for name, value in response.headers.items()},
                _body(response, largest),
            )
        finally:
            response.close()

    def call(
        self, method: str, url: str, *, seconds: float, largest: int = LARGEST_REPLY, json: Any = None
    ) -> Reply:
        """One exchange with its whole body. Raises as `stream`, and PortalUnusable beyond the cap."""
        try:
            with self.stream(method, url, seconds=seconds, largest=largest, json=json) as answer:
                return answer.whole()
        except ResultTooLarge:
            raise PortalUnusable from None

    def _ready(self, url: str) -> tuple[httpx.Client, Secret]:
        credentials = self._secret.get()
        if self._client is None or credentials != self._credentials:
            if self._client is not None:
                self._client.close()
            context = _tls(credentials) if url.startswith("https:") else None
            self._client = httpx.Client(
                transport=DeadlineTransport(context),
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
                follow_redirects=False,
                trust_env=False,
                headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "portico"},
            )
            self._credentials = credentials
        return self._client, credentials.token


class OneRecordDirectory:
    """The directory, with the last good answer to each question kept for a day in case the vendor is down."""

    def __init__(
        self,
        onerecord: OneRecord,
        base_url: str,
        redirectors: Redirectors,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._onerecord, self._base, self._redirectors = onerecord, base_url, redirectors
        self._monotonic = monotonic
        self._path = 0
        self._kept: dict[tuple[str, str], tuple[float, Sequence[Portal]]] = {}

    def search(self, data_type: str, term: str) -> Listing:
        """Portals by name, ZIP code or id; all of the category for an empty term.

        Raises PortalUnusable, PortalRejected, DeviceTokenRefused and the Retryable errors when the vendor
        fails and no copy is left.
        """
        question = data_type, term.casefold()
        now = self._monotonic()
        at, portals = self._kept.get(question, (0.0, None))
        age = int(now - at)
        if portals is not None and age < DIRECTORY_FRESH_SECONDS:
            return Listing(portals, age)
        try:
            portals = self._ask(data_type, term)
        except PorticoError:
            if portals is None or age > DIRECTORY_USABLE_SECONDS:
                raise
            return Listing(portals, age, stale=True)
        if len(self._kept) >= 200:
            del self._kept[min(self._kept, key=lambda kept: self._kept[kept][0])]
        self._kept[question] = now, portals
        return Listing(portals)

    def portal(self, data_type: str, portal_id: str) -> Portal | None:
        """The portal with that id: by search for the id, else out of the whole list."""
        for term in (portal_id, ""):
            for portal in self.search(data_type, term).portals:
                if portal.id == portal_id:
                    return portal
        return None

    def _ask(self, data_type: str, term: str) -> Sequence[Portal]:
        if term in (".", ".."):
            return []  # as a segment of a path they would name another path
        tail = quote(term, safe="")
        reply = self._get(data_type, tail)
        if reply.status == 404 and not term:
            reply = self._get(data_type, "", slash=False)
        if reply.status == 404:
            self._path = 1 - self._path
            reply = self._get(data_type, tail)
            if reply.status == 404:
                self._path = 1 - self._path
        if reply.status == 404 and term:
            # Nothing found, or a path that takes no term: the whole list tells which.
            return [portal for portal in self._ask(data_type, "") if matches(portal, term)]
        if reply.status == 401:
            raise DeviceTokenRefused
        if not reply.ok:
            raise refusal(reply)
        rows = reply.json()
        if not isinstance(rows, list):
            raise PortalUnusable
        parsed = (Portal.parse(row, data_type, self._redirectors) for row in rows)
        return [portal for portal in parsed if portal is not None]

    def _get(self, data_type: str, tail: str, *, slash: bool = True) -> Reply:
        path = SEARCH_PATHS[self._path].format(type=data_type) + tail
        url = self._base + (path if slash else path.rstrip("/"))
        return self._onerecord.call("GET", url, seconds=DIRECTORY_SECONDS, largest=LARGEST_DIRECTORY)


@dataclass(frozen=True, slots=True)
class OneRecordIntegrator:
    """The integrator: tokens, records at once, records later. `directory_url` serves to probe the device token."""

    onerecord: OneRecord
    base_url: str
    directory_url: str
    records_seconds: float = 25.0

    def exchange(
        self, portal_id: str, code: Secret, state: str | None, verifier: Secret | None
    ) -> TokenReply:
        """An authorization code for tokens (guide, "Obtaining A Patient Access Token")."""
        body = {"authorizationCode": code.reveal()}
        if state:
            body["state"] = state
        if verifier:
            body["authorizationCodeVerifier"] = verifier.reveal()
        return self._token(portal_id, body)

    def refresh(self, portal_id: str, refresh_token: Secret) -> TokenReply:
        """A refresh token for tokens (guide, "Refreshing A Patient Access Token")."""
        return self._token(portal_id, {"refreshToken": refresh_token.reveal()})

    def accepts_device_token(self) -> bool:
        """Whether the directory still answers to our own token; in doubt, it does not."""
        url = self.directory_url + SEARCH_PATHS[0].format(type="clinical") + "portico-probe"
        try:
            reply = self.onerecord.call("GET", url, seconds=PROBE_SECONDS)
        except PorticoError:
            return False
        return reply.ok or reply.status == 404

    def records(
        self, portal_id: str, tokens: Tokens, request: RecordsRequest
    ) -> AbstractContextManager[Stream]:
        """Records at once (guide, "Retrieving FHIR Resources")."""
        return self.onerecord.stream(
            "POST",
            self._url(RESOURCES_PATH, portal_id),
            seconds=self.records_seconds,
            largest=LARGEST_RECORDS,
            json=_query(tokens, request),
        )

    def start(self, portal_id: str, tokens: Tokens, request: RecordsRequest) -> Sequence[str]:
        """Records later: the transaction's ids (guide, "Asynchronous FHIR Queries", step 1)."""
        reply = self.onerecord.call(
            "POST", self._url(ASYNC_PATH, portal_id), seconds=START_SECONDS, json=_query(tokens, request)
        )
        document = _success(reply)
        errors = [error for error in errors_of(document) if not error.harmless]
        ids = transaction_ids(reply, document)
        if not ids or any(error.status == 401 for error in errors):
            raise failure(reply, errors)
        return ids

    def result(self, transaction_id: str) -> AbstractContextManager[Stream]:
        """One poll (guide, "Asynchronous FHIR Queries", step 2)."""
        return self.onerecord.stream(
            "GET", self._url(RESULT_PATH, transaction_id), seconds=RESULT_SECONDS, largest=LARGEST_RESULT
        )

    def _token(self, portal_id: str, body: dict[str, str]) -> TokenReply:
        url = self._url(TOKEN_PATH, portal_id)
        reply = self.onerecord.call("POST", url, seconds=TOKEN_SECONDS, json=body)
        document = _success(reply)
        if not document.get("token") and (errors := errors_of(document)):
            raise failure(reply, errors)
        return TokenReply.parse(document, portal_id)

    def _url(self, path: str, part: str) -> str:
        return self.base_url + path.format(id=quote(part, safe=""))


def _success(reply: Reply) -> dict[str, Any]:
    if not reply.ok:
        raise refusal(reply)
    return dict(reply.fields())


def _query(tokens: Tokens, request: RecordsRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {"oauthToken": tokens.access.reveal()}
    if tokens.patient_id:
        fields["patientId"] = tokens.patient_id.reveal()
    return fields | request.as_vendor_fields()


@contextmanager
def _failures() -> Iterator[None]:
    """httpx's and httpcore's errors in our words; their texts may carry URLs and stay behind."""
    try:
        yield
    except (
        httpcore.ConnectError,
        httpcore.ConnectTimeout,
        httpcore.PoolTimeout,
        httpcore.UnsupportedProtocol,
    ):
        raise PortalUnreachable from None
    except (httpcore.TimeoutException, httpx.TimeoutException):
        raise PortalTimeout from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpx.HTTPError, OSError, zlib.error):
        raise PortalUnclear from None


def _body(response: httpx.Response, largest: int) -> Iterator[bytes]:
    """The decoded body, never more than a chunk at a time: a small bomb cannot become a large one in memory.

    Raises ResultTooLarge once more than `largest` decoded bytes have come, PortalUnclear for a broken end.
    """
    received = 0
    with _failures():
        for chunk in _decoded(response):
            received += len(chunk)
            if received > largest:
                raise ResultTooLarge
            yield chunk


def _decoded(response: httpx.Response) -> Iterator[bytes]:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        yield from response.iter_raw(_CHUNK)
        return
    if encoding not in ("gzip", "x-gzip"):
        raise PortalUnusable
    unzip = zlib.decompressobj(wbits=31)
    for raw in response.iter_raw(_CHUNK):
        while raw and not unzip.eof:
            if chunk := unzip.decompress(raw, _CHUNK):
                yield chunk
            raw = unzip.unconsumed_tail
    if chunk := unzip.flush():
        yield chunk
    if not unzip.eof:
        raise PortalUnclear


def _tls(credentials: DeviceCredentials) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if credentials.certificate and credentials.private_key:
        # The ssl module takes key material from files only.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
            Path(pem.name).chmod(0o600)
            pem.write(f"{credentials.certificate.reveal()}\n{credentials.private_key.reveal()}\n")
            pem.flush()
            try:
                context.load_cert_chain(pem.name)
            except ssl.SSLError:
                raise StorageUnavailable from None
    return context
