import gzip
from io import StringIO
from typing import Any

import pytest

from portico import fetch
from portico.connection import Status
from portico.retrieval import Status as RetrievalStatus
from sandbox.outside import Outside
from tests.adapters.stores import HeldClock, Stores
from tests.functions.answers import CONNECTION, Json, by_another, invalid, ok, problem, told, with_body
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.functions.patients import a_portal, connected
from tests.samples import NOW, OWNER, active, pending

BASE = "http://127.0.0.1:8080"
AT_ONCE, LATER = event("retrieve_records", "at_once"), event("retrieve_records", "later")


@pytest.fixture(autouse=True)
def now(clock: HeldClock) -> None:
    clock.now = NOW


def slug(answer: Json) -> tuple[int, str]:
    return answer["status"], answer["body"]["type"].rpartition("/")[2]


def test_records_come_at_once_as_a_collection(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, log: StringIO
) -> None:
    _, reply = connected(stores, outside, a_portal(outside))
    outside.set_scenario(profile="tiny")
    answer = told(load("retrieve_records", **vendor)(AT_ONCE))
    bundle = answer.pop("body")
    assert answer == {"status": 200, "headers": {"Content-Type": "application/fhir+json"}, "cookies": []}
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    types = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert "Patient" in types
    assert not types & {"Observation", "Condition", "MedicationRequest", "DocumentReference"}
    family = next(e["resource"]["name"][0]["family"] for e in bundle["entry"] if "name" in e["resource"])
    for secret in (reply.access.reveal(), family, "sandbox-device-token"):
        assert secret not in log.getvalue()


def test_what_is_too_large_for_the_gateway_is_a_file(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected(stores, outside, a_portal(outside))
    outside.set_scenario(profile="tiny")
    monkeypatch.setattr(fetch.BundleWriter, "__init__", _small(fetch.BundleWriter.__init__))
    answer = told(load("retrieve_records", **vendor)(AT_ONCE))
    assert answer["status"] == 303
    path = answer["headers"]["Location"].removeprefix(f"{BASE}/v1/retrievals/")
    rid, _, name = path.partition("/files/")
    retrieval = stores.retrievals.get(rid)
    assert retrieval is not None
    assert retrieval.status is RetrievalStatus.COMPLETED
    key = retrieval.file(name).key
    stored = stores.backend.client("s3").get_object(Bucket=stores.backend.bucket, Key=key)
    assert gzip.decompress(stored["Body"].read()).startswith(b'{"resourceType":"Bundle"')


def _small(init: object) -> object:
    def made(self: fetch.BundleWriter, spill: object) -> None:
        init(self, spill, largest=100)  # type: ignore[operator]

    return made


def test_records_for_later_start_one_workflow(
    load: Load, vendor: dict[str, str], stores: Stores, log: StringIO
) -> None:
    stores.put(active(OWNER, id=CONNECTION))
    for rid in stores.retrievals.of_connection(CONNECTION):
        stores.forget_retrieval(rid)
    retrieve = load("retrieve_records", **vendor)
    answer = told(retrieve(LATER))
    rid = answer["body"]["id"]
    assert answer == ok(
        202,
        {"id": rid, "status": "running"},
        content_location=f"{BASE}/v1/retrievals/{rid}",
        preference_applied="respond-async",
        retry_after="5",
    )
    retrieval = stores.retrievals.get(rid)
    assert retrieval is not None
    assert retrieval.request.resources == ("Labs",)
    assert retrieval.request.params == {"fromTime": "2024-01-01T00:00:00.000Z"}
    machines = stores.backend.client("stepfunctions")
    listed = machines.list_executions(stateMachineArn=stores.backend.state_machine)["executions"]
    assert [one["name"] for one in listed].count(rid) == 1
    assert told(retrieve(LATER))["body"]["id"] == rid


BODIES = {
    "unknown field": ({"surprise": 1}, "surprise is not a field of this request."),
    "field given twice": ('{"resources": ["Labs"], "resources": ["Labs"]}', "resources is given twice."),
    "resources as text": ({"resources": "Labs"}, "resources must be an array."),
    "no resources": (
        {"resources": []},
        "resources must be a non-empty array; leave it out to ask for everything.",
    ),
    "a name twice": ({"resources": ["Labs", "Labs"]}, "resources must not name a resource twice."),
    "params as text": ({"params": "all"}, "params must be an object."),
    "unknown param": (
        {"params": {"since": "x"}},
        "params may hold only fromTime, toTime, excludeUndatedEntries.",
    ),
    "mistyped param": (
        {"params": {"excludeUndatedEntries": "yes"}},
        "params.excludeUndatedEntries has the wrong type.",
    ),
    "mistyped time": ({"params": {"fromTime": 7}}, "params.fromTime has the wrong type."),
    "a date": (
        {"params": {"fromTime": "2024-01-01"}},
        "params.fromTime must be an RFC 3339 date-time with a time zone.",
    ),
    "no zone": (
        {"params": {"toTime": "2024-01-01T00:00:00"}},
        "params.toTime must be an RFC 3339 date-time with a time zone.",
    ),
    "backwards": (
        {"params": {"fromTime": "2024-02-01T00:00:00Z", "toTime": "2024-01-01T00:00:00Z"}},
        "params.fromTime must not be after params.toTime.",
    ),
    "array": ("[]", "body must be a JSON object."),
    "not JSON": ("{", "body must be valid JSON."),
    "too large": ({"resources": ["x" * 65_536]}, "body must be at most 64 KB."),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_bad_body_is_refused_and_starts_nothing(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, case: str
) -> None:
    stores.put(active(OWNER, id=CONNECTION))
    before = stores.retrievals.of_connection(CONNECTION)
    body, detail = BODIES[case]
    answer = load("retrieve_records", **vendor)(with_body(LATER, body))
    assert told(answer) == invalid(detail, BASE)
    assert stores.retrievals.of_connection(CONNECTION) == before
    assert outside.count() == 0


@pytest.mark.parametrize("name", ["Encounter", "patient", "", None, ["Labs"]])
def test_a_resource_that_the_vendor_does_not_know_is_refused(
    load: Load, vendor: dict[str, str], name: object
) -> None:
    answer = told(load("retrieve_records", **vendor)(with_body(LATER, {"resources": [name]})))
    assert answer["status"] == 400
    assert answer["body"]["detail"].startswith("resources may hold only Patient, ")


def test_time_parameters_are_for_later_alone(load: Load, vendor: dict[str, str], stores: Stores) -> None:
    stores.put(active(OWNER, id=CONNECTION))
    body = {"params": {"fromTime": "2024-01-01T00:00:00Z"}}
    answer = load("retrieve_records", **vendor)(with_body(AT_ONCE, body))
    assert told(answer) == invalid("params needs Prefer: respond-async.", BASE)


@pytest.mark.parametrize("request_", [AT_ONCE, LATER], ids=["at once", "later"])
@pytest.mark.parametrize(
    ("state", "told_as"),
    [
        (None, (404, "not-found")),
        ({"owner": "another"}, (404, "not-found")),
        ({"status": Status.REAUTHORIZATION_REQUIRED}, (409, "reauthorization-required")),
        ({"status": Status.CLOSED, "reason": "declined"}, (410, "gone")),
        ({"status": Status.HELD, "reason": "identity_mismatch"}, (403, "forbidden")),
    ],
    ids=["unknown", "another's", "lapsed", "closed", "held"],
)
def test_a_connection_that_cannot_be_used_is_told_so(
    load: Load,
    vendor: dict[str, str],
    stores: Stores,
    outside: Outside,
    request_: Json,
    state: dict[str, Any] | None,
    told_as: tuple[int, str],
) -> None:
    connection = active(**({"owner": OWNER, "id": CONNECTION} | (state or {})))
    stores.put(connection)
    if state is None:
        stores.connections.delete(connection)
    assert slug(told(load("retrieve_records", **vendor)(request_))) == told_as
    assert outside.count() == 0


def test_a_pending_connection_has_to_wait(load: Load, vendor: dict[str, str], stores: Stores) -> None:
    stores.put(pending(OWNER, id=CONNECTION))
    assert slug(told(load("retrieve_records", **vendor)(AT_ONCE))) == (409, "not-authorized-yet")


def test_another_user_finds_nothing(load: Load, vendor: dict[str, str], stores: Stores) -> None:
    stores.put(active(OWNER, id=CONNECTION))
    assert slug(told(load("retrieve_records", **vendor)(by_another(AT_ONCE)))) == (404, "not-found")


FAULTS = {
    "403": (502, "portal-error"),
    "429": (503, "temporarily-unavailable"),
    "500": (502, "portal-error"),
    "reset-mid-body": (502, "portal-error"),
    "malformed": (502, "portal-error"),
    "not-a-number": (502, "portal-error"),
    "html": (502, "portal-error"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_vendor_in_trouble_is_told_without_its_words(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, log: StringIO, fault: str
) -> None:
    connection, _ = connected(stores, outside, a_portal(outside))
    outside.set_scenario(profile="tiny", faults=[{"operation": "fetch", "answer": fault, "calls": 0}])
    answer = told(load("retrieve_records", **vendor)(AT_ONCE))
    assert slug(answer) == FAULTS[fault]
    assert stores.connections.get(CONNECTION) == connection
    for words in ("not authorized for", "unexpected error", "Gateway", "too many requests"):
        assert words not in answer["body"]["detail"] + log.getvalue()


def test_a_dead_device_token_is_nobodys_lapse(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside
) -> None:
    connection, _ = connected(stores, outside, a_portal(outside))
    outside.set_scenario(
        faults=[{"operation": o, "answer": "401", "calls": 0} for o in ("fetch", "refresh", "search")]
    )
    answer = told(load("retrieve_records", **vendor)(AT_ONCE))
    assert answer == problem(
        503,
        "temporarily-unavailable",
        "The service is not accepted at OneRecord right now",
        "Nothing was lost. Try again after 60 seconds.",
        60,
        base=BASE,
    )
    stored = stores.connections.get(CONNECTION)
    assert stored is not None
    assert (stored.status, stored.tokens) == (Status.ACTIVE, connection.tokens)


def test_an_unreachable_vendor_is_told(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside
) -> None:
    connected(stores, outside, a_portal(outside))
    nowhere = vendor | {"INTEGRATOR_URL": "http://127.0.0.1:9"}
    answer = told(load("retrieve_records", **nowhere)(AT_ONCE))
    assert slug(answer) == (503, "temporarily-unavailable")
