"""Documents: the note of each visit, letters and reports, and scans that make a chart heavy."""

import base64
from collections.abc import Mapping
from datetime import date, timedelta
from random import Random
from typing import Any

from sandbox.records.draft import PORTAL_FILES, Draft, Visit
from sandbox.records.measures import LABS
from sandbox.records.story import AS_OF, Problem
from sandbox.records.terms import LOINC, US_CORE_CODES, coding, concept

_CATEGORY = {"coding": [coding(US_CORE_CODES + "us-core-documentreference-category", "clinical-note")]}
_NOTE_LABS = (
    ("a1c", "Hemoglobin A1c"),
    ("egfr", "eGFR"),
    ("ldl", "LDL cholesterol"),
    ("tsh", "TSH"),
    ("hemoglobin", "Hemoglobin"),
)
_SCANS = (
    "Outside records",
    "Hospital chart, scanned",
    "Dialysis run sheets",
    "Consent forms",
    "Cardiac catheterization images",
)


def papers(draft: Draft) -> None:
    """The story's letters and reports; one more that only the portal keeps, by its address."""
    for paper in draft.story.papers:
        body = _heading(draft, paper.title) + paper.text + "\n"
        _document(
            draft,
            (paper.loinc, paper.kind),
            paper.title,
            date.fromisoformat(paper.date),
            _text(body),
            draft.specialist,
            {},
        )
    kept = {
        "contentType": "application/pdf",
        "url": PORTAL_FILES + draft.identity(),
        "title": "After-visit summary",
        "size": 48213,
    }
    _document(
        draft,
        ("34133-9", "Summary of episode note"),
        "After-visit summary",
        AS_OF - timedelta(days=20),
        kept,
        draft.clinicians[0],
        {},
    )


def visit_note(draft: Draft, visit: Visit, taken: Mapping[str, float]) -> None:
    attachment = _text(_progress_note(draft, visit, taken))
    context = {
        "context": {"encounter": [visit.encounter], "period": {"start": draft.stamp(visit.day, visit.minute)}}
    }
    _document(
        draft,
        ("11506-3", "Progress note"),
        draft.story.complaint,
        visit.day,
        attachment,
        visit.clinician,
        context,
    )


def scans(draft: Draft, sizes: tuple[int, ...]) -> None:
    """One scanned PDF per size (bytes before base64), the way old paper enters a chart."""
    for number, size in enumerate(sizes):
        title = f"{_SCANS[number % len(_SCANS)]}, part {number // len(_SCANS) + 1}"
        page = _scanned_page(f"{title}: {draft.patient.name}", size, draft.random)
        attachment = {
            "contentType": "application/pdf",
            "data": base64.b64encode(page).decode(),
            "title": title,
            "size": len(page),
        }
        day = AS_OF - timedelta(days=60 + 90 * number)
        _document(
            draft, ("34133-9", "Summary of episode note"), title, day, attachment, draft.clinicians[0], {}
        )


def _document(
    draft: Draft,
    kind: tuple[str, str],
    title: str,
    day: date,
    attachment: Mapping[str, Any],
    author: Mapping[str, str],
    context: Mapping[str, Any],
) -> None:
    body = {
        "status": "current",
        "docStatus": "final",
        "type": concept(LOINC, *kind),
        "category": [_CATEGORY],
        "subject": draft.subject,
        "date": draft.stamp(day, 17 * 60),
        "author": [author],
        "custodian": draft.clinic,
        "description": title,
        "content": [
            {
                "attachment": attachment,
                "format": coding(
                    "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
                    "urn:ihe:iti:xds:2017:mimeTypeSufficient",
                ),
            }
        ],
    }
    draft.add("DocumentReference", {**body, **context}, profile="documentreference", changed=day)


def _text(text: str) -> dict[str, Any]:
    raw = text.encode()
    return {
        "contentType": "text/plain; charset=utf-8",
        "language": "en-US",
        "data": base64.b64encode(raw).decode(),
        "size": len(raw),
    }


def _heading(draft: Draft, title: str) -> str:
    person = draft.patient
    patient = f"Patient: {person.name}\nDate of birth: {person.birth_date}"
    return f"{draft.story.clinic}\n{title.upper()}\n\n{patient}\n\n"


def _progress_note(draft: Draft, visit: Visit, taken: Mapping[str, float]) -> str:
    on = visit.day.isoformat()
    problems = [p for p in draft.story.problems if _present(p, on)]
    drugs = [d for d in draft.story.drugs if d.started <= on and (d.stopped is None or d.stopped > on)]
    labs = [
        f"  {name}: {taken[key]:.{LABS[key].digits}f} {LABS[key].unit}"
        for key, name in _NOTE_LABS
        if key in taken
    ]
    lines = [
        f"Seen by {visit.clinician['display']} on {on}: {draft.story.complaint.lower()}.",
        f"Blood pressure {taken['systolic']:.0f}/{taken['diastolic']:.0f} mmHg, "
        f"pulse {taken['heart_rate']:.0f}, weight {taken['weight']:.1f} kg, BMI {taken['bmi']:.1f}, "
        f"SpO2 {taken['oxygen']:.0f} %.",
        "",
        "Problems:",
        *(f"  {p.name} (since {p.onset})" for p in problems),
        "Medications:",
        *(f"  {d.name}: {d.sig}" for d in drugs),
        *(["Laboratory:", *labs] if labs else []),
        "",
        "Plan: continue as above; return sooner if anything changes.",
        f"Signed electronically, {visit.clinician['display']}",
    ]
    return _heading(draft, "Progress note") + "\n".join(lines) + "\n"


def _present(problem: Problem, on: str) -> bool:
    return problem.onset <= on and (problem.abated is None or problem.abated > on)


def _scanned_page(caption: str, size: int, random: Random) -> bytes:
    """A PDF that opens: a caption above a grey, grainy page image of about `size` bytes."""
    width = 1000
    height = max(1, size // width)
    letters = (
        caption.encode("latin-1", "replace")
        .replace(b"\\", b"\\\\")
        .replace(b"(", b"\\(")
        .replace(b")", b"\\)")
    )
    drawing = b"BT /F1 12 Tf 40 760 Td (" + letters + b") Tj ET\nq 532 0 0 680 40 40 cm /Im1 Do Q"
    image = (
        f"<</Type/XObject/Subtype/Image/Width {width}/Height {height}/ColorSpace/DeviceGray"
        f"/BitsPerComponent 8/Length {width * height}>>"
    )
    parts = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
        b"/Resources<</Font<</F1 5 0 R>>/XObject<</Im1 6 0 R>>>>>>",
        f"<</Length {len(drawing)}>>stream\n".encode() + drawing + b"\nendstream",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        image.encode() + b"stream\n" + random.randbytes(width * height) + b"\nendstream",
    )
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, part in enumerate(parts, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj".encode() + part + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(parts) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    out += f"trailer<</Size {len(parts) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)
