"""OneRecord's Directory Service: which portals there are. Both documented paths are served."""

from collections.abc import Collection
from typing import Any

from aiohttp import web

from sandbox.clock import Clock
from sandbox.ledger import Ledger
from sandbox.onerecord.catalog import Catalog, Endpoint
from sandbox.onerecord.delivery import Reply
from sandbox.onerecord.faults import answer
from sandbox.onerecord.replies import Refusal, refusals
from sandbox.onerecord.stage import Stage


class Directory:
    """Search by name (any letter case, any part), by ZIP code (its beginning) or by exact id."""

    def __init__(self, catalog: Catalog, stage: Stage, clock: Clock, ledger: Ledger) -> None:
        self._catalog, self._stage, self._clock, self._ledger = catalog, stage, clock, ledger

    def application(self, known_tokens: Collection[str]) -> web.Application:
        app = web.Application(
            middlewares=[self._ledger.watch("directory"), refusals(self._clock.now, known_tokens)]
        )
        for base in ("/directory/v1/client/endpoint", "/directory/v1/client/fhir/endpoint"):
            # A term may hold anything, braces and slashes too; without a pattern aiohttp takes neither.
            for tail in ("/search", "/search/", r"/search/{term:[\s\S]+}"):
                app.router.add_get(f"{base}/{{category}}{tail}", self._search)
        return app

    async def _search(self, request: web.Request) -> web.StreamResponse:
        category, term = request.match_info["category"], request.match_info.get("term", "")
        self._ledger.entered(request, "search")
        if category not in ("clinical", "payer"):
            raise Refusal(404, "the URL for the request was invalid")

        async def work() -> Reply:
            return Reply.of(self._rows(category, term))

        return await answer(request, self._stage.next_fault("search", None), work, self._clock.now())

    def _rows(self, category: str, term: str) -> list[dict[str, Any]]:
        found = [one for one in self._catalog if one.data_type == category and _matches(one, term)]
        twice = [one for one in found if one.listed_twice]
        return [{**self._catalog.row(one), **self._stage.scenario(one).row} for one in (*found, *twice)]


def _matches(endpoint: Endpoint, term: str) -> bool:
    wanted = term.strip()
    return (
        not wanted
        or wanted.casefold() in endpoint.name.casefold()
        or (wanted.isdigit() and "zip" not in endpoint.without and endpoint.place.zip.startswith(wanted))
        or wanted == endpoint.id
    )
