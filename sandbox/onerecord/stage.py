"""Which scenario plays at which endpoint: the persona's own, then what was set for all, then for one."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from sandbox.onerecord.catalog import Catalog, Endpoint
from sandbox.onerecord.scenarios import Fault, Operation, Scenario

EVERYWHERE = "*"


class Stage:
    """Scenarios by endpoint, and how many calls each fault still answers."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._changes: dict[str, dict[str, Any]] = {}
        self._left: dict[tuple[str, int], int] = {}

    def set(self, endpoint_id: str, changes: Mapping[str, Any]) -> None:
        """Change choices for one endpoint or, with "*", for all; faults given replace earlier ones."""
        if endpoint_id != EVERYWHERE and self._catalog.get(endpoint_id) is None:
            raise LookupError(f"no endpoint {endpoint_id}")
        Scenario().changed(changes)
        self._changes.setdefault(endpoint_id, {}).update(msgspec.to_builtins(dict(changes)))
        if "faults" in changes:
            self._left = {key: left for key, left in self._left.items() if key[0] != endpoint_id}

    def reset(self, endpoint_id: str = EVERYWHERE) -> None:
        """Forget what was set for one endpoint or, with "*", everything."""
        if endpoint_id == EVERYWHERE:
            self._changes.clear()
            self._left.clear()
            return
        self._changes.pop(endpoint_id, None)
        self._left = {key: left for key, left in self._left.items() if key[0] != endpoint_id}

    def scenario(self, endpoint: Endpoint | None) -> Scenario:
        """What plays at an endpoint now; without one, what was set for all."""
        base = endpoint.persona.scenario if endpoint else Scenario()
        changes = {**self._changes.get(EVERYWHERE, {})}
        if endpoint:
            changes.update(self._changes.get(endpoint.id, {}))
        return base.changed(changes) if changes else base

    def next_fault(self, operation: Operation, endpoint: Endpoint | None) -> Fault | None:
        """The fault that answers this call, counted down; an endpoint's own come before everyone's."""
        for key, fault in self._faults(endpoint):
            if fault.operation != operation:
                continue
            if fault.calls == 0:
                return fault
            left = self._left.setdefault(key, fault.calls)
            if left > 0:
                self._left[key] = left - 1
                return fault
        return None

    def _faults(self, endpoint: Endpoint | None) -> Iterator[tuple[tuple[str, int], Fault]]:
        for place in ([endpoint.id] if endpoint else []) + [EVERYWHERE]:
            for index, fault in enumerate(self._changes.get(place, {}).get("faults", ())):
                yield (place, index), msgspec.convert(fault, Fault)
        if endpoint:
            for index, fault in enumerate(endpoint.persona.scenario.faults):
                yield (f"persona of {endpoint.id}", index), fault
