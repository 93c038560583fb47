"""The splitter against a reading of the same text by the standard library, and against text that lies."""

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico import json_reader
from portico.envelope import Envelope, Payload, Skipped
from portico.errors import ResultMalformed
from portico.resource import Resource
from portico.splitter import Splitter

GLUCOSE = {
    "resourceType": "Observation",
    "id": "glucose-1",
    "status": "final",
    "code": {"text": 'Glucose, "fasting" {mg/dL}]'},
    "valueQuantity": {"value": 104, "unit": "mg/dL"},
    "note": [{"text": 'said: },{"fullUrl":"x"},{ \\ café 🩺'}],
}
ASTHMA = {
    "resourceType": "Condition",
    "id": "asthma",
    "code": {"text": "Asthma"},
    "recordedDate": "2019-04-02",
}
# As some serializers write them: names in alphabetical order, the type among the last.
LISINOPRIL = {
    "dosageInstruction": [{"text": "1 tablet daily"}],
    "id": "lisinopril",
    "resourceType": "MedicationRequest",
}
PROBLEMS = {"entry": [{"item": {"reference": "Condition/asthma"}}], "id": "list", "resourceType": "List"}
WITH_CONTAINED = {
    "resourceType": "MedicationRequest",
    "id": "with-contained",
    "contained": [{"resourceType": "Medication", "id": "m", "code": {"text": "Metformin 500 mg"}}],
}
CHART = [GLUCOSE, ASTHMA, LISINOPRIL, PROBLEMS, WITH_CONTAINED]


def bundle(resources: Iterable[Any], **members: Any) -> dict[str, Any]:
    entries = [{"fullUrl": f"urn:uuid:{i}", "resource": each} for i, each in enumerate(resources)]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries, **members}


def envelope(payload: Any, **members: Any) -> dict[str, Any]:
    return {
        "errorData": {"errors": [], "highestError": None},
        "fhirVersion": "R4",
        "contentType": "application/fhir+json",
        "payload": payload,
        **members,
    }


def text_of(document: Any, **how: Any) -> bytes:
    return json.dumps(document, **{"separators": (",", ":"), "ensure_ascii": False, **how}).encode()


def chunks(text: bytes, size: int) -> Iterator[bytes]:
    return (text[at : at + size] for at in range(0, len(text), size))


def split(text: bytes, size: int = 64 * 1024, **how: Any) -> tuple[list[Resource], Envelope]:
    splitter = Splitter(chunks(text, size), **how)
    return list(splitter), splitter.envelope


def resources(text: bytes, size: int = 64 * 1024) -> list[Any]:
    """What the splitter finds, each checked to be one line of JSON of its own type."""
    found, _ = split(text, size)
    parsed = [json.loads(each.raw) for each in found]
    assert [each.type for each in found] == [each["resourceType"] for each in parsed]
    assert not any(b"\n" in each.raw or b"\r" in each.raw for each in found)
    return parsed


def flaw(text: bytes, size: int = 64 * 1024, **how: Any) -> str:
    with pytest.raises(ResultMalformed) as caught:
        split(text, size, **how)
    assert str(caught.value) == caught.value.why
    return str(caught.value.why)


def walked(document: Any) -> Iterator[Any]:
    """The resources of a document that was parsed whole: what the splitter has to find."""
    if isinstance(document, str):
        yield from walked(json.loads(document)) if document.strip() else ()
    elif isinstance(document, list):
        for each in document:
            yield from walked(each)
    elif isinstance(document, dict) and document.get("resourceType") == "Bundle":
        for entry in document.get("entry") or ():
            yield from walked((entry or {}).get("resource"))
    elif isinstance(document, dict) and "resourceType" in document:
        yield document
    elif isinstance(document, dict):
        for each in document.values():
            yield from walked(each)


# --- forms ---------------------------------------------------------------------------------------


def forms(chart: list[Any]) -> dict[str, Any]:
    """Every form that a payload can have, as parsed JSON and as JSON in a string."""
    plain = {
        "bundle": bundle(chart),
        "searchset with search and request after the resource": {
            "resourceType": "Bundle",
            "entry": [
                {"resource": each, "search": {"mode": "match"}, "request": {"method": "GET"}}
                for each in chart
            ],
            "type": "searchset",
        },
        "bundle with entry before its type": {
            "entry": bundle(chart)["entry"],
            "id": "b",
            "resourceType": "Bundle",
        },
        "bundle whose entries begin with an id, before its type": {
            "entry": [{"id": str(i), "resource": each} for i, each in enumerate(chart)],
            "resourceType": "Bundle",
        },
        "bundle without entry": {"resourceType": "Bundle", "type": "searchset", "total": 0},
        "bundle with no entries": bundle([]),
        "bundle with entry null": {"resourceType": "Bundle", "entry": None},
        "bundle with no entries before its type": {"entry": [], "resourceType": "Bundle"},
        "entries without resource": {
            "resourceType": "Bundle",
            "entry": [{"fullUrl": "a"}, {}, {"fullUrl": "b", "resource": chart[0]}, {"resource": None}, None],
        },
        "nested bundles": bundle([chart[0], bundle([chart[1], bundle([chart[2]] * 3), chart[1]]), chart[3]]),
        "nested bundle with entry before its type": bundle(
            [{"entry": bundle(chart)["entry"], "resourceType": "Bundle"}, chart[0]]
        ),
        "array of resources": chart,
        "array of bundles": [bundle(chart), bundle([]), bundle([chart[0]] * 4)],
        "array of both": [chart[0], bundle(chart), None, chart[1]],
        "object of arrays": {
            "Observation": [chart[0]] * 3,
            "Condition": [chart[1]],
            "Coverage": [],
            "Procedure": None,
        },
        "object of bundles": {"Labs": bundle([chart[0]] * 2), "Condition": [bundle([chart[1]])]},
        "single resource": chart[0],
        "single resource with its type late": chart[2],
        "single resource with its own entry": chart[3],
    }
    return plain | {f"{name}, as a string": text_of(form).decode() for name, form in plain.items()}


FORMS = forms(CHART)
# Few bytes, so that every place of them can be tried.
TINY_FORMS = forms(
    [{"resourceType": "A" + "bc"[i], "x": 'é"},{'} for i in range(2)]
    + [{"x": [], "resourceType": "Ad"}, PROBLEMS]
)
WRITTEN: dict[str, dict[str, Any]] = {
    "compact": {},
    "ascii": {"ensure_ascii": True},
    "pretty": {"indent": 2, "separators": None},
    "spaced": {"separators": (" ,  ", "\t: ")},
}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_payload_gives_the_resources_in_it(form: str, written: str) -> None:
    document = FORMS[form]
    text = text_of(envelope(document), **WRITTEN[written])
    for size in (1, 7, 64, 1000, len(text)):
        assert resources(text, size) == list(walked(document))


@pytest.mark.parametrize("form", [form for form in FORMS if "string" not in form])
def test_fhir_without_an_envelope_is_a_result_too(form: str) -> None:
    text = text_of(FORMS[form])
    assert resources(text, 50) == list(walked(FORMS[form]))
    assert split(text)[1].payload == Payload.PRESENT


@pytest.mark.parametrize("form", TINY_FORMS)
def test_a_cut_at_any_place_changes_nothing(form: str) -> None:
    document = TINY_FORMS[form]
    text = text_of(envelope(document), **WRITTEN["ascii"])
    expected = resources(text)
    for cut in range(1, len(text), 3 if isinstance(document, str) else 1):
        splitter = Splitter([text[:cut], text[cut:]])
        assert [json.loads(each.raw) for each in splitter] == expected
        assert splitter.envelope.fhir_version == "R4"


def test_long_runs_come_out_whole_and_in_order_whatever_the_chunks() -> None:
    chart = [{**GLUCOSE, "id": str(i), "note": [{"text": "x" * (i * 37 % 3000)}]} for i in range(2_000)]
    nested = bundle([*chart[:700], bundle(chart[700:900]), *chart[900:]])
    for written in WRITTEN.values():
        text = text_of(envelope(nested), **written)
        for size in (1_000, 65_536, 262_144):
            assert resources(text, size) == chart


@pytest.mark.parametrize(
    "number", ["10.50", "1.0e2", "12345678901234567890.12", "0.000000000000000001", "-0.0", "1E+2"]
)
def test_numbers_keep_their_text(number: str) -> None:
    raw = b'{"resourceType":"Observation","valueQuantity":{"value":' + number.encode() + b"}}"
    entries = b",".join(b'{"fullUrl":"a","resource":' + raw + b"}" for _ in range(5))
    found, _ = split(b'{"payload":{"resourceType":"Bundle","entry":[' + entries + b"]}}")
    assert [each.raw for each in found] == [raw] * 5


def test_only_line_breaks_are_taken_out() -> None:
    raw = b'{\r\n "resourceType" : "Observation",\n\t"note": [ {"text": "two\\nlines"} ] }'
    kept = b'{ "resourceType" : "Observation",\t"note": [ {"text": "two\\nlines"} ] }'
    for text in (raw, b"[" + raw + b"]", b"[" + b",\n".join([raw] * 4) + b"]"):
        assert {each.raw for each in split(text)[0]} == {kept}


def test_a_byte_order_mark_and_white_space_around_the_result_are_tolerated() -> None:
    text = b"\xef\xbb\xbf\r\n " + text_of(envelope(bundle(CHART))) + b"\r\n \n"
    assert resources(text, 1) == resources(text) == CHART


# --- the envelope --------------------------------------------------------------------------------


def test_the_envelope_is_told_whatever_the_order_of_its_members() -> None:
    error_data = b'{ "errors": [{"severity":"ERROR","status":404}], "highestError":"ERROR" }'
    members = [
        b'"errorData":' + error_data,
        b'"payload":' + text_of(bundle(CHART)),
        b'"fhirVersion":"4.0.1"',
        b'"contentType":"application/json"',
        b'"transactionId":"c0ffee"',
        b'"deviceId":{"any":["thing",1]}',
    ]
    for turn in range(len(members)):
        text = b"{" + b",".join(members[turn:] + members[:turn]) + b"}"
        found, told = split(text, 100)
        assert [json.loads(each.raw) for each in found] == CHART
        assert told == Envelope(Payload.PRESENT, error_data, "4.0.1", "application/json", "c0ffee")


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        (b"", Payload.ABSENT),
        (b" \n", Payload.ABSENT),
        (b"null", Payload.NULL),
        (b'{"errorData":{"errors":[]}}', Payload.ABSENT),
        (b'{"errorData":null,"payload":null}', Payload.NULL),
        (b'{"payload":{}}', Payload.EMPTY),
        (b'{"payload":[ ]}', Payload.EMPTY),
        (b'{"payload":" "}', Payload.EMPTY),
        (b'{"payload":"null"}', Payload.NULL),
        (b'{"payload":"{}"}', Payload.EMPTY),
        (b'{"payload":{"resourceType":"Bundle"}}', Payload.PRESENT),
        (b'{"payload":{"Observation":[]}}', Payload.PRESENT),
    ],
)
def test_an_absent_null_empty_and_present_payload_are_told_apart(text: bytes, payload: Payload) -> None:
    found, told = split(text, 3)
    assert (found, told.payload, told.other) == ([], payload, None)


def test_an_object_that_is_neither_envelope_nor_fhir_is_handed_over_whole() -> None:
    assert split(b'{"Message":"An error has occurred."}')[1].payload == Payload.ABSENT
    flat = b'{"timestamp":"03-01-2022 14:33:58","status":404,"error":"Not Found","message":"no such id"}'
    for size in (1, 1000):
        assert split(flat, size) == ([], Envelope(other=flat))
    assert split(b"{}") == ([], Envelope(other=b"{}"))


def test_members_of_an_unexpected_type_are_no_reason_to_lose_the_records() -> None:
    text = text_of(envelope(bundle([GLUCOSE]), fhirVersion=4, contentType=["x"], transactionId=None))
    found, told = split(text)
    assert (len(found), told.fhir_version, told.content_type, told.transaction_id) == (1, "4", None, None)


@pytest.mark.parametrize("late", [False, True])
def test_a_next_page_is_flagged_wherever_the_bundle_names_it(late: bool) -> None:
    links = [{"relation": "self", "url": "https://a"}, {"relation": "next", "url": "https://a?page=2"}]
    first = {"link": links, "resourceType": "Bundle", "entry": []}
    last = {"resourceType": "Bundle", "entry": [{"resource": GLUCOSE}], "link": links}
    assert split(text_of(envelope(bundle([last if late else first]))), 40)[1].next_link


def test_links_of_other_things_are_no_next_page() -> None:
    patient = {
        "id": "p",
        "link": [{"other": {"reference": "Patient/2"}, "type": "seealso"}],
        "resourceType": "Patient",
    }
    document = bundle([patient], link=[{"relation": "self", "url": "https://a"}])
    document["entry"][0]["link"] = [{"relation": "next", "url": "https://a"}]
    assert not split(text_of(envelope(document)))[1].next_link


def test_there_is_no_envelope_before_the_end() -> None:
    splitter = Splitter([text_of(bundle(CHART))])
    next(iter(splitter))
    with pytest.raises(ResultMalformed, match="truncated"):
        _ = splitter.envelope


# --- sizes ---------------------------------------------------------------------------------------


def scan(size: int) -> dict[str, Any]:
    data = base64.b64encode(bytes(size)).decode()
    return {"resourceType": "DocumentReference", "content": [{"attachment": {"data": data}}]}


@pytest.mark.parametrize("size", [100, 4_096, 65_536])
def test_a_resource_above_the_cap_is_passed_over_and_told(size: int) -> None:
    large, late = scan(60_000), {"content": scan(60_000)["content"], "resourceType": "Binary"}
    text = text_of(envelope(bundle([GLUCOSE, large, ASTHMA, late, ASTHMA])))
    found, told = split(text, size, max_resource=50_000)
    assert [each.type for each in found] == ["Observation", "Condition", "Condition"]
    assert told.skipped == [
        Skipped("DocumentReference", len(text_of(large))),
        Skipped("Binary", len(text_of(late))),
    ]


def test_a_cap_inside_a_number_is_no_reason_to_refuse() -> None:
    numbers = b'{"resourceType":"Binary","n":[' + b"-12.50e+10," * 20 + b"0]}"
    for size in range(1, 30):
        assert split(numbers, size, max_resource=100)[1].skipped == [Skipped("Binary", len(numbers))]


def test_a_bundle_is_no_resource_to_pass_over() -> None:
    late = {"entry": [{"id": "1", "resource": scan(60_000)}], "resourceType": "Bundle"}
    assert flaw(text_of(envelope(bundle([late]))), max_resource=50_000) == "too-large"


def test_a_large_resource_passes_untouched() -> None:
    large = scan(3_000_000)
    found, _ = split(text_of(envelope(bundle([GLUCOSE, large, ASTHMA]))))
    assert found[1] == ("DocumentReference", text_of(large))


def test_a_resource_that_never_ends_is_not_held() -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        yield b'{"payload":{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Binary","data":"'
        while True:
            read += 1
            assert read < 40, "a result that is no JSON was read on and on"
            yield b"A" * 10_000 if read != 5 else b'AAAA" "broken' + b"A" * 10_000

    with pytest.raises(ResultMalformed, match="not-json"):
        list(Splitter(endless(), max_resource=100_000))


# --- text that lies ------------------------------------------------------------------------------

WHOLE = text_of(envelope(bundle([GLUCOSE, bundle([ASTHMA, ASTHMA]), LISINOPRIL]), trailing={"a": [1]}))


@pytest.mark.parametrize(
    "text", [WHOLE, text_of(envelope(text_of(bundle(CHART)).decode()), ensure_ascii=True)]
)
def test_a_result_cut_short_at_any_place_is_never_a_success(text: bytes) -> None:
    for size in (17, 64 * 1024):
        for cut in range(1, len(text)):
            assert flaw(text[:cut], size) in {"truncated", "not-json"}


DEEP = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
ENTRY = b'{"fullUrl":"a","resource":{"resourceType":"Observation","id":"a"}}'
LIES = {
    "a second document": (WHOLE + b" {}", "not-json"),
    "a letter after the end": (WHOLE + b"x", "not-json"),
    "text": (b"<html>502 Bad Gateway</html>", "not-json"),
    "a number": (b"42", "not-fhir"),
    "a string": (b'{"payload":"<Bundle/>"}', "not-json"),
    "a string in a string": (text_of({"payload": json.dumps(json.dumps(GLUCOSE))}), "not-fhir"),
    "garbage after the string's document": (text_of({"payload": "[] x"}), "not-json"),
    "an unpaired surrogate": (b'{"payload":"[\\ud83d, 1, 2]"}', "not-json"),
    "payload true": (b'{"payload":true}', "not-fhir"),
    "payload without a type": (b'{"payload":{"message":"no results"}}', "not-fhir"),
    "entry is an object": (b'{"resourceType":"Bundle","entry":{}}', "not-fhir"),
    "entry of numbers": (b'{"resourceType":"Bundle","entry":[1]}', "not-fhir"),
    "resource is text": (b'{"resourceType":"Bundle","entry":[{"resource":"x"}]}', "not-fhir"),
    "resource without a type": (b'{"resourceType":"Bundle","entry":[{"resource":{"id":"x"}}]}', "not-fhir"),
    "resource of a type that is a path": (b'{"resourceType":"../../etc"}', "not-fhir"),
    "entry of something that is no bundle": (
        b'{"entry":[' + ENTRY + b'],"resourceType":"Observation"}',
        "not-fhir",
    ),
    "type twice": (b'{"resourceType":"Bundle","entry":[],"resourceType":"Bundle"}', "duplicate-member"),
    "entry twice": (b'{"resourceType":"Bundle","entry":[],"entry":[]}', "duplicate-member"),
    "payload twice": (b'{"payload":[],"payload":[]}', "duplicate-member"),
    "errorData twice": (b'{"errorData":1,"payload":[],"errorData":2}', "duplicate-member"),
    "unknown member twice": (b'{"payload":[],"x":1,"x":2}', "duplicate-member"),
    "by type, twice": (b'{"payload":{"Labs":[],"Labs":[]}}', "duplicate-member"),
    "resource twice": (
        b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Basic"},'
        b'"resource":{"resourceType":"Basic"}}]}',
        "duplicate-member",
    ),
    "trailing comma in the envelope": (b'{"payload":[],}', "not-json"),
    "missing comma in the envelope": (b'{"payload":[] "x":1}', "not-json"),
    "leading comma in an array": (b'{"payload":[,' + ENTRY + b"," + ENTRY + b"]}", "not-json"),
    "trailing comma in an array": (b'[{"resourceType":"Basic"},]', "not-json"),
    "trailing comma in entry": (b'{"resourceType":"Bundle","entry":[' + ENTRY + b",]}", "not-json"),
    "array closed as an object": (b'{"payload":[' + ENTRY[26:-1] + b"}}", "not-json"),
    "deep in a resource": (b'{"resourceType":"Basic","a":' + DEEP + b"}", "too-deep"),
    "deep in a resource of a run": (
        b'{"resourceType":"Bundle","entry":['
        + ENTRY
        + b","
        + ENTRY.replace(b'"id":"a"', b'"id":' + b"[" * 1_500 + b"]" * 1_500)
        + b"]}",
        "too-deep",
    ),
    "deep in the envelope": (b'{"payload":[],"a":' + DEEP + b"}", "too-deep"),
    "deep without end": (b'{"payload":' + b"[" * 100_000, "too-deep"),
    "type of nothing": (
        b"[" + b",".join([b'{"resourceType":"Basic"}'] * 5 + [b'{"resourceType":""}'] * 5) + b"]",
        "not-fhir",
    ),
    "bundles in bundles, their types late": (
        b'{"entry":[{"resource":' * 10_000 + b"{}" + b'}],"resourceType":"Bundle"}' * 10_000,
        "too-deep",
    ),
    "types in arrays in arrays": (b'{"payload":' + b"[" * 900 + b"]" * 900 + b"}", "not-fhir"),
    "bundles in bundles": (
        b'{"resourceType":"Bundle","entry":[{"resource":' * 10_000
        + b'{"resourceType":"Basic"}'
        + b"}]}" * 10_000,
        "too-deep",
    ),
    "a name of megabytes": (b'{"' + b"a" * 2_000_000 + b'":1}', "too-large"),
    "errors of megabytes": (b'{"errorData":"' + b"a" * 2_000_000 + b'"}', "too-large"),
    "a number of megabytes": (b'{"a":' + b"1" * 2_000_000 + b"}", "too-large"),
    "members without number": (
        b'{"payload":[],' + b",".join(b'"%d":1' % i for i in range(1_000)) + b"}",
        "too-large",
    ),
    "types without number": (
        b"[" + b",".join(b'{"resourceType":"Type%b"}' % (b"x" * (i + 1)) for i in range(1_000)) + b"]",
        "not-fhir",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_text_that_lies_is_refused_with_its_reason(lie: str) -> None:
    text, reason = LIES[lie]
    for size in (64 * 1024, 4_001):
        assert flaw(text, size) == reason


BROKEN = {
    "NaN": (b'"id":NaN', "not-json"),
    "Infinity": (b'"id":-Infinity', "not-json"),
    "invalid UTF-8": (b'"id":"\xff\xfe"', "not-utf-8"),
    "UTF-8 of a surrogate": (b'"id":"\xed\xa0\x80"', "not-utf-8"),
    "overlong UTF-8": (b'"id":"\xc0\xaf"', "not-utf-8"),
    "control character": (b'"id":"a\x01b"', "not-json"),
    "line break in a string": (b'"id":"a\nb"', "not-json"),
    "unknown escape": (b'"id":"\\x41"', "not-json"),
    "leading zero": (b'"id":01', "not-json"),
    "missing colon": (b'"id" "a"', "not-json"),
    "comment": (b'"id":/*x*/"a"', "not-json"),
    "wrong bracket": (b'"id":["a"}', "not-json"),
    "type is a number": (b'"resourceType":7', "not-fhir"),
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("where", [0, 1, 50, 99])
def test_one_broken_entry_among_good_ones_is_refused(broken: str, where: int) -> None:
    part, reason = BROKEN[broken]
    entries = [ENTRY] * 100
    entries[where] = ENTRY.replace(b'"id":"a"', part)
    text = b'{"payload":{"resourceType":"Bundle","entry":[' + b",".join(entries) + b"]}}"
    for size in (31, 64 * 1024):
        assert (
            flaw(text, size) in {reason, "truncated"}
            if broken == "wrong bracket"
            else flaw(text, size) == reason
        )


def test_an_error_of_the_source_passes_through() -> None:
    def broken_off() -> Iterator[bytes]:
        yield WHOLE[:-10]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        list(Splitter(broken_off()))


@pytest.mark.parametrize(
    "item",
    [
        b'{"a":1},{"b":1}',
        b'{"id":"a","resourceType":"Basic"},{"resourceType":"Basic","id":"a"}',
        b'{"resourceType":"Bundle","entry":[' + ENTRY + b"]}",
    ],
    ids=["tiny and unlike", "two shapes", "bundles of one"],
)
def test_the_work_grows_with_the_size_and_no_faster(item: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(times: int) -> int:
        """Bytes that guesses were made on, for so many times the same items."""
        guessed = 0
        alike = json_reader.JsonReader.alike

        def counting(self: Any, decode: Any) -> Any:
            def counted(text: bytes) -> Any:
                nonlocal guessed
                guessed += len(text)
                return decode(text)

            return alike(self, counted)

        monkeypatch.setattr(json_reader.JsonReader, "alike", counting)
        text = (
            b"[" + b",".join([item.replace(b'{"a":1},{"b":1}', b'{"resourceType":"Basic"}')] * times) + b"]"
        )
        assert split(text)[1].payload == Payload.PRESENT
        monkeypatch.undo()
        return guessed // len(text)

    assert work(5_000) <= 6


# --- anything ------------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ['},{"fullUrl":"', '"}]', "\\", '\\"', "\n", "🩺", '{"resourceType":"Bundle"}']
)
scalars = st.none() | st.booleans() | st.integers() | texts
members = st.dictionaries(
    st.sampled_from(["id", "entry", "code", "text", "value", "link", "resource", "fullUrl", "contained"]),
    st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_size=4,
)


def shuffled(document: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.permutations(list(document.items())).map(dict)


def as_resource(kind: str, content: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    # A list whose first item looks like a Bundle's entry, before the type is told, is taken for a Bundle.
    content = {"resourceType": kind} | content if "entry" in content else content | {"resourceType": kind}
    return st.just(content) if "entry" in content else shuffled(content)


plain = st.builds(as_resource, st.sampled_from(["Observation", "Condition", "List"]), members).flatmap(
    lambda s: s
)


def bundles(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    entry = st.fixed_dictionaries(
        {},
        optional={
            "fullUrl": texts,
            "resource": inner | st.none(),
            "search": members,
            "id": texts,
            "link": st.just([]),
        },
    ).flatmap(shuffled)
    whole = st.fixed_dictionaries(
        {"resourceType": st.just("Bundle")},
        optional={
            "entry": st.lists(entry, max_size=6),
            "type": texts,
            "total": st.integers(),
            "link": st.just([]),
        },
    )
    return whole.flatmap(shuffled)


trees = st.recursive(plain, bundles, max_leaves=12)
payloads = (
    trees
    | st.lists(trees, max_size=6)
    | st.dictionaries(
        st.sampled_from(["Labs", "Vitals", "Condition"]), st.lists(trees, max_size=4), min_size=1
    )
)


@settings(max_examples=60, deadline=None)
@given(
    payload=payloads,
    enveloped=st.booleans(),
    in_string=st.booleans(),
    written=st.sampled_from(list(WRITTEN.values())),
    size=st.integers(1, 400),
)
def test_any_tree_of_bundles_gives_its_resources(
    payload: Any, enveloped: bool, in_string: bool, written: dict[str, Any], size: int
) -> None:
    document: Any = text_of(payload, **written).decode() if in_string else payload
    text = text_of(envelope(document) if enveloped else document, **written)
    assert resources(text, size) == list(walked(payload))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_what_is_no_json_is_never_a_success(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(WHOLE) - 1))
    text = WHOLE[:at] + data.draw(st.binary(max_size=2)) + WHOLE[at + data.draw(st.integers(0, 2)) :]
    try:
        found, _ = split(text, data.draw(st.integers(1, 300)))
    except ResultMalformed:
        return
    document = json.loads(text)
    assert [json.loads(each.raw) for each in found] == list(walked(document.get("payload")))
