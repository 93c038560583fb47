"""OneRecord's Integrator Service: tokens, records at once, records in the background."""

import asyncio
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.clock import Clock
from sandbox.ledger import FIELDS, Ledger
from sandbox.onerecord import outcomes, tokens
from sandbox.onerecord.catalog import Catalog, Endpoint
from sandbox.onerecord.delivery import Reply, Work, gzipped
from sandbox.onerecord.faults import answer
from sandbox.onerecord.queries import Query, names_of, params_of
from sandbox.onerecord.replies import (
    TRANSACTION_HEADER,
    Refusal,
    error_data,
    flat,
    fresh_transaction_id,
    refusals,
)
from sandbox.onerecord.scenarios import Operation, Scenario
from sandbox.onerecord.stage import Stage
from sandbox.portals.grants import Grants, Rejected

TRANSACTION = web.RequestKey("transaction", str)
_DEVICE_ID = "5a1c7f0e-3a55-4c39-9d1e-0c7a3d1b2f64"


@dataclass
class Transaction:
    """A background query, from its start until the cache forgets it."""

    id: str
    device_token: str
    query: Query | None
    """None: the patient's token was refused, and the result says so."""
    endpoint: Endpoint
    ready_at: float
    told_as: Scenario | None = None
    """The scenario of the first reading: every later one is told the same way."""


class Integrator:
    """The integrator's five operations on three paths."""

    def __init__(self, catalog: Catalog, stage: Stage, grants: Grants, clock: Clock, ledger: Ledger) -> None:
        self._catalog, self._stage, self._grants = catalog, stage, grants
        self._clock, self._ledger = clock, ledger
        self._transactions: dict[str, Transaction] = {}

    def application(self, known_tokens: Collection[str]) -> web.Application:
        app = web.Application(
            middlewares=[self._ledger.watch("integrator"), refusals(self._clock.now, known_tokens)],
            client_max_size=256 * 1024,
        )
        app.router.add_post("/integrator/v1/fhir/auth/{endpoint}/token", self._token)
        app.router.add_post("/integrator/v1/fhir/resources/{endpoint}", self._fetch)
        app.router.add_post("/integrator/v1/fhir/async/resources/{endpoint}", self._start)
        app.router.add_get("/integrator/v1/fhir/cache/retrieve/{transaction}", self._retrieve)
        app.on_response_prepare.append(_name_transaction)
        return app

    # --- tokens ---

    async def _token(self, request: web.Request) -> web.StreamResponse:
        endpoint, given = await self._opened(request)
        refreshing = "refreshToken" in given
        self._ledger.entered(request, "refresh" if refreshing else "token", endpoint.id)
        if refreshing == ("authorizationCode" in given):
            raise Refusal(400, "either authorizationCode or refreshToken is required", path=True)
        scenario = self._stage.scenario(endpoint)

        async def work() -> Reply:
            try:
                if refreshing:
                    issued = self._grants.refresh(endpoint, scenario, str(given["refreshToken"]))
                else:
                    issued = self._grants.redeem(
                        endpoint,
                        scenario,
                        str(given["authorizationCode"]),
                        _text(given, "authorizationCodeVerifier"),
                        _text(given, "state"),
                    )
            except Rejected as rejection:
                return tokens.rejected(endpoint, scenario, rejection, self._clock.now(), request.path)
            return tokens.granted(endpoint, scenario, issued, refreshed=refreshing)

        return await self._answer(request, "refresh" if refreshing else "token", endpoint, work)

    # --- records at once ---

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        endpoint, given = await self._opened(request)
        self._ledger.entered(request, "fetch", endpoint.id)
        scenario = self._stage.scenario(endpoint)

        async def work() -> Reply:
            query = self._query(endpoint, scenario, given, params={})
            if query is None:
                return outcomes.dead_token(scenario, self._clock.now(), request.path)
            await asyncio.sleep(scenario.fetch_seconds)
            if scenario.fetch_outcome == "error":
                return outcomes.failed(scenario, endpoint, self._clock.now())
            return await self._result(request, query, scenario, self._clock.now())

        return await self._answer(request, "fetch", endpoint, work)

    # --- records in the background ---

    async def _start(self, request: web.Request) -> web.StreamResponse:
        endpoint, given = await self._opened(request)
        self._ledger.entered(request, "start", endpoint.id)
        scenario = self._stage.scenario(endpoint)

        async def work() -> Reply:
            query = self._query(endpoint, scenario, given, params=params_of(given.get("params")))
            if query is None and scenario.async_token_check == "at-start":
                return outcomes.dead_token(scenario, self._clock.now(), request.path)
            return self._begun(request, endpoint, scenario, query)

        return await self._answer(request, "start", endpoint, work)

    def _begun(
        self, request: web.Request, endpoint: Endpoint, scenario: Scenario, query: Query | None
    ) -> Reply:
        real, other = fresh_transaction_id(), fresh_transaction_id()
        self._transactions[real] = Transaction(
            real, _bearer(request), query, endpoint, self._clock.now() + scenario.async_seconds
        )
        in_header, in_body = {
            "both": (real, real),
            "header": (real, None),
            "body": ("", real),
            "differing": (real, other),
            "differing-body": (other, real),
        }[scenario.transaction_id]
        request[TRANSACTION] = in_header
        reply = {"errorData": error_data(), "transactionId": in_body, "deviceId": _DEVICE_ID}
        return Reply.of({key: value for key, value in reply.items() if key != "transactionId" or value})

    async def _retrieve(self, request: web.Request) -> web.StreamResponse:
        transaction = self._transactions.get(request.match_info["transaction"])
        if transaction is None or transaction.device_token != _bearer(request):
            self._ledger.entered(request, "retrieve")
            raise Refusal(404, "no such transaction")
        request[TRANSACTION] = transaction.id
        endpoint = transaction.endpoint
        self._ledger.entered(request, "retrieve", endpoint.id)

        async def work() -> Reply:
            return await self._outcome(request, transaction)

        return await self._answer(request, "retrieve", endpoint, work)

    async def _outcome(self, request: web.Request, transaction: Transaction) -> Reply:
        scenario = self._stage.scenario(transaction.endpoint)
        now = self._clock.now()
        if now < transaction.ready_at or scenario.async_outcome == "never":
            return outcomes.pending(scenario, now, request.path)
        gone = scenario.async_outcome == "gone" and transaction.told_as is not None
        if gone or now >= transaction.ready_at + scenario.cache_seconds:
            return Reply.of(flat(404, "the result is no longer available", now), 404)
        transaction.told_as = scenario = transaction.told_as or scenario
        if scenario.async_outcome == "500":
            return Reply.of(flat(500, "the query failed at the portal", transaction.ready_at), 500)
        if transaction.query is None:
            return outcomes.dead_token(scenario, now, request.path, in_result=True)
        if scenario.async_outcome == "error":
            return outcomes.failed(scenario, transaction.endpoint, transaction.ready_at)
        return await self._result(request, transaction.query, scenario, transaction.ready_at)

    # --- shared ---

    async def _opened(self, request: web.Request) -> tuple[Endpoint, dict[str, Any]]:
        """The endpoint that is addressed and the JSON object that was sent."""
        endpoint = self._catalog.get(request.match_info["endpoint"])
        if endpoint is None:
            raise Refusal(404, "the URL for the request was invalid")
        if not self._stage.scenario(endpoint).linked:
            raise Refusal(403, "the device is not authorized for this endpoint")
        if request.content_type != "application/json":
            raise Refusal(415, f"Content type '{request.content_type}' not supported", path=True)
        try:
            given = json.loads(await request.read())
        except ValueError:
            raise Refusal(400, "JSON parse error", path=True) from None
        if not isinstance(given, dict):
            raise Refusal(400, "JSON parse error: an object is required", path=True)
        request[FIELDS] = tuple(sorted(given))
        request[TRANSACTION] = fresh_transaction_id()
        return endpoint, given

    async def _answer(
        self, request: web.Request, operation: Operation, endpoint: Endpoint, work: Work
    ) -> web.StreamResponse:
        fault = self._stage.next_fault(operation, endpoint)
        return await answer(request, fault, work, self._clock.now())

    def _query(
        self, endpoint: Endpoint, scenario: Scenario, given: dict[str, Any], params: dict[str, Any]
    ) -> Query | None:
        grant = self._grants.find(endpoint, str(given.get("oauthToken", "")))
        if grant is None:
            return None
        sent = given.get("patientId")
        if (grant.needs_patient_id or sent is not None) and str(sent) != grant.patient_id:
            raise Refusal(400, "patientId does not belong to this token", path=True)
        return Query(endpoint, grant, names_of(given.get("resources"), scenario), params)

    async def _result(self, request: web.Request, query: Query, scenario: Scenario, finished: float) -> Reply:
        pieces = await asyncio.to_thread(query.body, scenario, self._catalog, finished)
        whole = pieces if query.streams(scenario) else b"".join(pieces)
        packed = scenario.compress and "gzip" in request.headers.get("Accept-Encoding", "")
        return gzipped(Reply(body=whole)) if packed else Reply(body=whole)


def _bearer(request: web.Request) -> str:
    return request.headers["Authorization"].partition(" ")[2]


def _text(given: dict[str, Any], name: str) -> str | None:
    value = given.get(name)
    return None if value is None else str(value)


async def _name_transaction(request: web.Request, response: web.StreamResponse) -> None:
    if transaction := request.get(TRANSACTION):
        response.headers[TRANSACTION_HEADER] = transaction
