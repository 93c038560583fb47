"""Where the canaries are put, and where those that the sandbox makes up are picked up."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

from sandbox.onerecord import charts, faults, integrator
from sandbox.onerecord.replies import fresh_transaction_id
from sandbox.records import Account, Patient, chart
from sandbox.records.patients import _PEOPLE
from sandbox.world.world import World
from tests.leaks.canaries import Canaries, in_a_chart, word

PATIENT, OTHER_PATIENT = "canary.one", "canary.two"


@contextmanager
def planted(world: World, canaries: Canaries) -> Iterator[None]:
    """Two patients of whom everything is a canary, a vendor who talks about them, and portals that are overheard."""
    people = {name: _account(canaries) for name in (PATIENT, OTHER_PATIENT)}
    for portal in world.outside.portals():
        canaries.add("portal id", portal.id)
    with (
        mock.patch.dict(_PEOPLE, people),
        mock.patch.object(charts, "chart", _charts(canaries, chart)),
        mock.patch.dict(faults._MESSAGES, _words(canaries, faults._MESSAGES)),
        mock.patch.object(integrator, "fresh_transaction_id", _kept(canaries, fresh_transaction_id)),
        mock.patch.object(world.outside.grants, "redeem", _overheard(canaries, world.outside.grants.redeem)),
    ):
        yield


def overheard_at_the_portals(world: World, canaries: Canaries) -> None:
    """What the portals have handed out by now."""
    grants = world.outside.grants
    canaries.add("code", *grants._codes)
    canaries.add("state", *(code.state for code in grants._codes.values()))
    canaries.add("access token", *grants._by_access)
    canaries.add("refresh token", *grants._by_refresh)
    for grant in grants._by_access.values():
        canaries.add("patient id", grant.patient_id)


def _account(canaries: Canaries) -> Account:
    day = f"19{10 + len(canaries.by_class['date']) % 20}-0{1 + len(canaries.by_class['name']) % 9}-17"
    patient = Patient(
        id=canaries.new("patient id"),
        given=f"Zoë{canaries.new('name')}",
        family=f"Núñez{canaries.new('name')}",
        gender="female",
        birth_date=day,
        street=canaries.new("address"),
        city=canaries.new("address"),
        state="TX",
        zip=f"78214-{canaries.new('address', 12)}",
        phone=f"+1-210-555-{canaries.new('address', 12)}",
        email=f"{canaries.new('address')}@example.com",
    )
    canaries.add("name", patient.name, patient.given, patient.family)
    canaries.add("date", day)
    canaries.add("address", patient.email, patient.phone, patient.zip)
    return Account(patient, word(), "tiny", "payer", "a canary")


def _charts(canaries: Canaries, real: Callable[..., Any]) -> Callable[..., Any]:
    def marked(profile: str, patient: Patient) -> Any:
        known = {str(getattr(patient, field)) for field in patient.__slots__} | {
            patient.name,
            *patient.given.split(),
        }
        return in_a_chart(canaries, real(profile, patient), known)

    return marked


def _words(canaries: Canaries, messages: Mapping[int, str]) -> dict[int, str]:
    return {status: f"{said} ({canaries.new("vendor's words")})" for status, said in messages.items()}


def _kept(canaries: Canaries, fresh: Callable[[], str]) -> Callable[[], str]:
    def kept() -> str:
        made = fresh()
        canaries.add("transaction id", made)
        return made

    return kept


def _overheard(canaries: Canaries, redeem: Callable[..., Any]) -> Callable[..., Any]:
    def overheard(endpoint: Any, scenario: Any, code: str, verifier: str | None, state: str | None) -> Any:
        canaries.add("code", code)
        canaries.add("verifier", verifier)
        canaries.add("state", state)
        return redeem(endpoint, scenario, code, verifier, state)

    return overheard
