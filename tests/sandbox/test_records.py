"""The synthetic charts: always the same, of the promised sizes, sound, and filtered as the vendor does."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sandbox.records import (
    ACCOUNTS,
    DANGLING,
    PASSWORDS,
    PATIENTS,
    REQUESTABLE,
    Patient,
    chart,
    select,
    to_json,
)
from sandbox.records.selection import INCLUDED, address, names_of, references_of, span_of
from sandbox.records.story import AS_OF

Resource = dict[str, Any]

ROOT = Path(__file__).parents[2]

MARIA = PATIENTS["maria.alvarez"]
WALTER = PATIENTS["walter.grabowski"]
EVERYBODY = sorted(PATIENTS)
SMALL_PROFILES = ("tiny", "typical", "payer")
STRANGER = Patient(
    "-20140000000001", "Ann", "Example", "female", "1980-01-01", "1 Elm St", "Reno", "NV", "89501", "", ""
)

# What FHIR R4 demands of each type, beside its id.
REQUIRED: dict[str, tuple[str, ...]] = {
    "Patient": ("name", "gender", "birthDate"),
    "Practitioner": ("name",),
    "Organization": ("name",),
    "Encounter": ("status", "class", "subject", "period"),
    "Immunization": ("status", "vaccineCode", "patient", "occurrenceDateTime"),
    "AllergyIntolerance": ("clinicalStatus", "code", "patient"),
    "MedicationRequest": ("status", "intent", "subject"),
    "MedicationStatement": ("status", "medicationCodeableConcept", "subject"),
    "Observation": ("status", "category", "code", "subject"),
    "DiagnosticReport": ("status", "code", "subject", "result"),
    "Condition": ("clinicalStatus", "verificationStatus", "code", "subject"),
    "Procedure": ("status", "code", "subject"),
    "FamilyMemberHistory": ("status", "patient", "relationship"),
    "DocumentReference": ("status", "type", "subject", "content"),
    "CareTeam": ("status", "subject", "participant"),
    "CarePlan": ("status", "intent", "subject", "category"),
    "Coverage": ("status", "beneficiary", "payor"),
    "ExplanationOfBenefit": (
        "status", "type", "use", "patient", "created", "insurer", "provider", "outcome", "insurance",
    ),
    "OperationOutcome": ("issue",),
}  # fmt: skip


def count(resources: list[Resource]) -> Counter[str]:
    return Counter(resource["resourceType"] for resource in resources)


def numbers(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for child in value.values():
            yield from numbers(child)
    elif isinstance(value, list):
        for child in value:
            yield from numbers(child)
    elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        yield value


def labs(patient: Patient, loinc: str) -> list[tuple[str, Decimal]]:
    found = [
        (r["effectiveDateTime"], r["valueQuantity"]["value"])
        for r in chart("typical", patient)
        if r["resourceType"] == "Observation" and r["code"]["coding"][0]["code"] == loinc and "encounter" in r
    ]
    return sorted(found)


def test_the_demo_people_can_log_in_and_have_a_chart_at_each_kind_of_portal() -> None:
    assert len(PATIENTS) >= 6
    assert set(PASSWORDS) == set(PATIENTS) == set(ACCOUNTS)
    for username, account in ACCOUNTS.items():
        assert account.patient is PATIENTS[username]
        assert account.password == PASSWORDS[username]
        assert account.profile("clinical") in ("tiny", "typical", "large", "empty")
        assert account.profile("payer") == "payer"
    assert len({patient.id for patient in PATIENTS.values()}) == len(PATIENTS)


def fingerprints(seed: str) -> str:
    """What another process, with another order of hashes, makes of the same charts."""
    program = (
        "import hashlib; from sandbox.records import *\n"
        f"for profile in {SMALL_PROFILES!r}:\n"
        "    made = to_json(chart(profile, PATIENTS['maria.alvarez']))\n"
        "    print(profile, hashlib.sha256(made).hexdigest())"
    )
    environment = os.environ | {"PYTHONHASHSEED": seed}
    run = [sys.executable, "-c", program]
    return subprocess.run(run, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout


def test_a_chart_made_again_is_the_same_to_the_byte() -> None:
    here = [f"{p} {hashlib.sha256(to_json(chart(p, MARIA))).hexdigest()}" for p in SMALL_PROFILES]
    assert fingerprints("1").splitlines() == fingerprints("2").splitlines() == here


def test_a_caller_who_changes_the_list_changes_nobody_elses() -> None:
    chart("tiny", MARIA).clear()
    assert chart("tiny", MARIA)


def test_another_portal_may_know_the_same_person_under_another_id() -> None:
    there = replace(MARIA, id="-20140000000001")
    here, elsewhere = chart("typical", MARIA), chart("typical", there)
    assert {address(r) for r in elsewhere}.isdisjoint(address(r) for r in here)
    assert {r["subject"]["reference"] for r in elsewhere if "subject" in r} == {"Patient/-20140000000001"}
    problems = [[r["code"]["text"] for r in c if r["resourceType"] == "Condition"] for c in (here, elsewhere)]
    assert problems[0] == problems[1]


@pytest.mark.parametrize("username", EVERYBODY)
def test_tiny_charts_are_small(username: str) -> None:
    resources = chart("tiny", PATIENTS[username])
    assert 55 <= len(resources) <= 85
    assert len(to_json(resources)) < 150_000


@pytest.mark.parametrize("username", [name for name in EVERYBODY if name != "noah.lindqvist"])
def test_typical_charts_of_grown_ups_hold_2000_resources_in_2_to_3_megabytes(username: str) -> None:
    resources = chart("typical", PATIENTS[username])
    assert len(resources) == 2_000
    assert 2_000_000 < len(to_json(resources)) < 3_100_000


def test_a_large_chart_holds_20000_resources_and_50_megabytes_with_scanned_documents() -> None:
    resources = chart("large", WALTER)
    assert len(resources) == 20_000
    assert 45_000_000 < sum(len(to_json(resource)) for resource in resources) < 55_000_000
    scans = [r["content"][0]["attachment"] for r in resources if r["resourceType"] == "DocumentReference"]
    pdfs = [
        base64.b64decode(scan["data"]) for scan in scans if "data" in scan and "pdf" in scan["contentType"]
    ]
    assert max(map(len, pdfs)) > 3_000_000
    assert all(pdf.startswith(b"%PDF-1.4") and pdf.endswith(b"%%EOF\n") for pdf in pdfs)


def test_an_empty_chart_holds_nothing() -> None:
    assert chart("empty", MARIA) == []


@pytest.mark.parametrize(
    ("username", "coverages", "claims"),
    [
        ("maria.alvarez", 3, 99),
        ("eleanor.whitcomb", 4, 99),
        ("walter.grabowski", 3, 2000),
        ("zoe.nguyen", 1, 0),
    ],
)
def test_a_payer_chart_holds_coverages_and_claims(username: str, coverages: int, claims: int) -> None:
    found = count(chart("payer", PATIENTS[username]))
    assert (found["Coverage"], found["ExplanationOfBenefit"], found["Patient"]) == (coverages, claims, 1)
    assert not set(found) - {"Coverage", "ExplanationOfBenefit", "Patient", "Organization", "Practitioner"}


def test_an_unknown_person_gets_a_chart_too() -> None:
    assert 55 <= len(chart("tiny", STRANGER)) <= 85
    assert chart("payer", STRANGER)[0]["id"] == "-20140000000001"


@pytest.mark.parametrize("profile", SMALL_PROFILES)
@pytest.mark.parametrize("username", EVERYBODY)
def test_every_resource_has_what_fhir_demands_and_an_id_of_its_own(username: str, profile: str) -> None:
    resources = chart(profile, PATIENTS[username])
    for resource in resources:
        missing = [name for name in REQUIRED[resource["resourceType"]] if name not in resource]
        assert not missing, (address(resource), missing)
        if resource["resourceType"] == "MedicationRequest":
            assert {"medicationCodeableConcept", "medicationReference"} & resource.keys()
    assert len({address(resource) for resource in resources}) == len(resources)


@pytest.mark.parametrize("profile", SMALL_PROFILES)
@pytest.mark.parametrize("username", EVERYBODY)
def test_only_the_intended_references_lead_nowhere(username: str, profile: str) -> None:
    resources = chart(profile, PATIENTS[username])
    targets = {address(resource) for resource in resources}
    dangling = {reference for resource in resources for reference in references_of(resource)} - targets
    assert dangling == (DANGLING if profile == "typical" else set())


@pytest.mark.parametrize("username", EVERYBODY)
def test_nothing_happens_before_birth_or_after_the_charts_last_day(username: str) -> None:
    patient = PATIENTS[username]
    for resource in chart("typical", patient) + chart("payer", patient):
        span = span_of(resource)
        if span is None or resource["resourceType"] == "FamilyMemberHistory":
            continue
        assert span[0].date() <= AS_OF, address(resource)
        if not {"1998-04-17", "2019", "2019-04"} & {
            resource.get("effectiveDateTime"),
            resource.get("performedDateTime"),
        }:
            assert span[1].date().isoformat() >= patient.birth_date, address(resource)


def test_a_typical_chart_answers_to_all_16_names() -> None:
    answered = {name for resource in chart("typical", MARIA) for name in names_of(resource)}
    assert answered == set(REQUESTABLE)
    assert len(REQUESTABLE) == 16
    assert count(chart("typical", MARIA)).keys() >= {"Encounter", "Practitioner", "Organization"}


def test_a_typical_chart_has_the_oddities_of_real_ones() -> None:
    resources = chart("typical", MARIA)
    found = count(resources)
    assert found["OperationOutcome"] == 1
    undated = [
        r for r in resources if r["resourceType"] in ("Observation", "Procedure") and span_of(r) is None
    ]
    assert len(undated) == 3
    assert {r.get("performedDateTime") for r in resources} >= {"2019", "2019-04"}
    assert any("contained" in r for r in resources)
    kept_at_portal = [
        r
        for r in resources
        if r["resourceType"] == "DocumentReference" and "url" in r["content"][0]["attachment"]
    ]
    assert len(kept_at_portal) == 1


def test_names_keep_their_letters() -> None:
    assert "María Elena Álvarez".encode() in to_json(chart("tiny", MARIA))
    assert "陳美玲".encode() in to_json(chart("tiny", PATIENTS["meiling.chen"]))
    assert "Józef".encode() in to_json(chart("tiny", WALTER))


def test_decimals_are_written_with_the_digits_they_have() -> None:
    assert to_json({"value": Decimal("10.50")}) == b'{"value":10.50}'
    assert to_json([Decimal("1.0E+2"), Decimal("-0.00"), Decimal("12345678901234567890.12")]) == (
        b"[1.0E+2,-0.00,12345678901234567890.12]"
    )
    for resource in chart("typical", MARIA):
        back = json.loads(to_json(resource), parse_float=Decimal)
        assert [str(n) for n in numbers(back)] == [str(n) for n in numbers(resource)]
    assert b'"value":10.50' in to_json(chart("typical", MARIA))


def test_charts_hold_no_binary_floats() -> None:
    for profile in SMALL_PROFILES:
        assert not [n for n in numbers(chart(profile, MARIA)) if isinstance(n, float)]


def test_what_is_not_a_number_is_refused() -> None:
    for value in (Decimal("NaN"), Decimal("Infinity"), float("nan"), object()):
        with pytest.raises((TypeError, ValueError)):
            to_json({"value": value})


def test_marias_hba1c_rises_until_metformin_and_falls_after() -> None:
    series = labs(MARIA, "4548-4")
    peak = max(series, key=lambda point: point[1])
    assert "2017-10" < peak[0] < "2018-09"
    assert peak[1] > Decimal("8.5")
    assert series[-1][0] > "2026"
    assert Decimal("6.2") < series[-1][1] < Decimal("7.0")
    assert all(second[0] > first[0] for first, second in pairwise(series))


def test_a_report_refers_to_results_of_its_own_day() -> None:
    resources = {address(r): r for r in chart("typical", MARIA)}
    reports = [r for r in resources.values() if r["resourceType"] == "DiagnosticReport"]
    assert reports
    for report in reports:
        for result in report["result"]:
            observation = resources[result["reference"]]
            assert observation["effectiveDateTime"] == report["effectiveDateTime"]
            assert "laboratory" in json.dumps(observation["category"])


def test_results_are_flagged_by_their_own_reference_range() -> None:
    for observation in select(chart("typical", MARIA), ["Labs"], "2012-01-01T00:00:00.000Z", None, True):
        if observation["resourceType"] != "Observation" or "referenceRange" not in observation:
            continue
        value, limits = observation["valueQuantity"]["value"], observation["referenceRange"][0]
        low, high = (limits.get(side, {}).get("value") for side in ("low", "high"))
        expected = "L" if low and value < low else "H" if high and value > high else "N"
        assert observation["interpretation"][0]["coding"][0]["code"] == expected


def test_documents_carry_readable_text() -> None:
    notes = [r for r in chart("tiny", PATIENTS["james.okafor"]) if r["resourceType"] == "DocumentReference"]
    texts = [r["content"][0]["attachment"] for r in notes if "data" in r["content"][0]["attachment"]]
    assert texts
    for attachment in texts:
        raw = base64.b64decode(attachment["data"], validate=True)
        assert len(raw) == attachment["size"]
        assert "James Chukwuemeka Okafor" in raw.decode()


def test_a_claims_totals_are_the_sums_of_its_lines() -> None:
    claims = [
        r for r in chart("payer", PATIENTS["eleanor.whitcomb"]) if r["resourceType"] == "ExplanationOfBenefit"
    ]
    for claim in claims:
        for total in claim["total"]:
            amounts = [
                part["amount"]["value"]
                for item in claim["item"]
                for part in item["adjudication"]
                if part["category"] == total["category"]
            ]
            assert sum(amounts) == total["amount"]["value"]
    knee = [c for c in claims if c["item"][0]["productOrService"]["coding"][0]["code"] == "27447"]
    assert [c["billablePeriod"]["start"] for c in knee] == ["2024-05-14"]


@pytest.mark.parametrize("name", REQUESTABLE)
def test_asking_for_one_name_returns_all_of_it_and_what_it_refers_to(name: str) -> None:
    resources = chart("typical", MARIA)
    chosen = select(resources, [name], None, None, False)
    wanted = [r for r in resources if name in names_of(r)]
    assert wanted
    assert [r for r in chosen if name in names_of(r)] == wanted
    others = [r for r in chosen if name not in names_of(r)]
    assert {r["resourceType"] for r in others} <= INCLUDED | {"OperationOutcome"}
    referenced = {reference for r in chosen for reference in references_of(r)}
    assert all(address(r) in referenced for r in others if r["resourceType"] != "OperationOutcome")


def test_vitals_and_labs_are_observations_by_category() -> None:
    resources = chart("typical", MARIA)
    for name, code in (("Vitals", "vital-signs"), ("Labs", "laboratory")):
        for resource in select(resources, [name], None, None, False):
            if resource["resourceType"] == "Observation":
                assert resource["category"][0]["coding"][0]["code"] == code
    asked = select(resources, ["Vitals", "Labs"], None, None, False)
    assert 0 < count(asked)["Observation"] < count(resources)["Observation"]


def test_no_names_means_everything_and_unknown_names_nothing() -> None:
    resources = chart("typical", MARIA)
    assert select(resources, None, None, None, False) == resources
    assert select(resources, ["Observation", "Goal", "vitals"], None, None, False) == []
    assert select(chart("payer", MARIA), ["Labs"], None, None, False) == []


def test_a_warning_comes_with_the_name_it_is_about() -> None:
    resources = chart("typical", MARIA)
    assert count(select(resources, ["DocumentReference"], None, None, False))["OperationOutcome"] == 1
    assert count(select(resources, ["Immunization"], None, None, False))["OperationOutcome"] == 0


def dated(identity: str, when: str | None) -> Resource:
    found: Resource = {"resourceType": "Procedure", "id": identity}
    return found | {"performedDateTime": when} if when else found


def ids(resources: list[Resource]) -> list[str]:
    return [resource["id"] for resource in resources]


def test_a_range_keeps_what_happened_in_it_both_ends_included() -> None:
    resources = [
        dated("before", "2019-12-31T23:59:59.999Z"),
        dated("first", "2020-01-01T00:00:00.000Z"),
        dated("zoned", "2020-12-31T18:59:59-05:00"),
        dated("last", "2020-12-31T23:59:59.000Z"),
        dated("after", "2020-12-31T19:00:00-05:00"),
    ]
    kept = select(resources, ["Procedure"], "2020-01-01T00:00:00.000Z", "2020-12-31T23:59:59.000Z", True)
    assert ids(kept) == ["first", "zoned", "last"]


@pytest.mark.parametrize(
    ("when", "kept"),
    [
        ("2019", True),
        ("2019-04", True),
        ("2019-04-10", True),
        ("2019-03", False),
        ("2019-04-09", False),
        ("2018", False),
    ],
)
def test_a_partial_date_is_in_range_when_any_part_of_it_is(when: str, kept: bool) -> None:
    chosen = select([dated("p", when)], None, "2019-04-10T12:00:00.000Z", "2019-11-30T00:00:00.000Z", True)
    assert bool(chosen) is kept


@pytest.mark.parametrize("exclude", [True, False])
def test_undated_entries_stay_unless_excluded(exclude: bool) -> None:
    resources = [dated("undated", None), dated("old", "1990")]
    assert ids(select(resources, None, "2020-01-01T00:00:00.000Z", None, exclude)) == (
        [] if exclude else ["undated"]
    )


def test_undated_entries_are_excluded_even_without_a_range() -> None:
    assert ids(select([dated("undated", None), dated("old", "1990")], None, None, None, True)) == ["old"]


def test_a_period_that_goes_on_is_in_every_later_range() -> None:
    current = {"resourceType": "MedicationStatement", "id": "on", "effectivePeriod": {"start": "2018-03-05"}}
    ended = current | {"id": "off", "effectivePeriod": {"start": "2018-03-05", "end": "2018-09-10"}}
    assert ids(select([current, ended], None, "2020-01-01T00:00:00.000Z", None, True)) == ["on"]
    assert ids(select([current, ended], None, None, "2018-01-01T00:00:00.000Z", True)) == []
    assert ids(select([current, ended], None, "2018-09-10T08:00:00.000Z", None, True)) == ["on", "off"]


def test_the_patient_and_the_clinicians_are_not_entries_in_time() -> None:
    chosen = count(select(chart("typical", MARIA), None, "2026-01-01T00:00:00.000Z", None, True))
    assert chosen["Patient"] == 1
    assert chosen["Practitioner"] == 3
    assert 0 < chosen["Observation"] < 1_000


def test_what_is_included_may_lie_outside_the_range() -> None:
    visit = {"resourceType": "Encounter", "id": "v", "period": {"start": "2010-01-01", "end": "2010-01-01"}}
    later = dated("p", "2020-06-01") | {"encounter": {"reference": "Encounter/v"}}
    assert ids(select([visit, later], ["Procedure"], "2020-01-01T00:00:00.000Z", None, True)) == ["v", "p"]


def test_a_range_that_is_no_date_is_an_error() -> None:
    with pytest.raises(ValueError, match="soon"):
        select([], None, "soon than later", None, False)
