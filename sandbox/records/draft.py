"""A chart while it is being written: whose it is, its random source, and what stands in it so far."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from sandbox.records.patients import Patient
from sandbox.records.story import AS_OF, Story
from sandbox.records.terms import US_CORE

type Resource = dict[str, Any]

PORTAL_FILES = "https://fhir.patient-portal.example/R4/Binary/"
"""Where documents live that the portal keeps to itself; the name resolves nowhere."""

# Standard time of the demo people's states: a chart of real life has offsets, not only Z.
_OFFSETS = {"TX": "-06:00", "LA": "-06:00", "MN": "-06:00", "CA": "-08:00"}


@dataclass(frozen=True, slots=True)
class Visit:
    """One encounter, and what the entries made during it need to refer to it."""

    day: date
    minute: int
    encounter: Mapping[str, str]
    clinician: Mapping[str, str]


class Draft:
    """Collects resources and hands out references; ids and scatter come from one seeded source."""

    def __init__(self, profile: str, patient: Patient, story: Story) -> None:
        self.profile = profile
        self.patient = patient
        self.story = story
        self.random = Random(f"{patient.id}/{profile}")
        self.resources: list[Resource] = []
        self.subject = {"reference": f"Patient/{patient.id}", "display": patient.name}
        self.clinicians: list[dict[str, str]] = []
        self.clinic: dict[str, str] = {}
        self.hospital: dict[str, str] = {}
        self.conditions: dict[str, dict[str, str]] = {}
        self.visits: list[Visit] = []
        self._offset = _OFFSETS.get(patient.state, "-05:00")
        self._system = "urn:oid:2.16.840.1.113883.19." + str(
            int(hashlib.sha256(story.clinic.encode()).hexdigest()[:6], 16)
        )

    def identity(self) -> str:
        digits = f"{self.random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def stamp(self, day: date, minute: int) -> str:
        return f"{day.isoformat()}T{minute // 60:02d}:{minute % 60:02d}:00{self._offset}"

    def add(
        self, kind: str, body: Mapping[str, Any], *, profile: str | None = None, changed: date | None = None
    ) -> dict[str, str]:
        """Puts a resource into the chart; answers the reference to it."""
        identity = self.identity()
        when = min((changed or AS_OF) + timedelta(days=1), AS_OF)
        meta: dict[str, Any] = {
            "versionId": "1",
            "lastUpdated": f"{when.isoformat()}T06:{self.random.randrange(60):02d}:00.000Z",
        }
        if profile:
            meta["profile"] = [profile if profile.startswith("http") else US_CORE + profile]
        number = f"{self.random.randrange(10**9):09d}"
        resource = {
            "resourceType": kind,
            "id": identity,
            "meta": meta,
            "identifier": [{"system": self._system, "value": number}],
        }
        self.resources.append({**resource, **body})
        return {"reference": f"{kind}/{identity}"}

    @property
    def specialist(self) -> dict[str, str]:
        """Who writes the letters: the second of the clinicians where there is one."""
        return self.clinicians[:2][-1]

    def clinician(self) -> dict[str, str]:
        """Whoever saw the patient: mostly the first of the story's clinicians."""
        return self.random.choice(self.clinicians) if self.random.random() < 0.3 else self.clinicians[0]
