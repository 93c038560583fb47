"""Whatever a client, a portal or a directory brings along, it is taken or refused by its name."""

import base64
import json
import os
import re
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from portico import authorization_url, body, pkce
from portico.attempt import LONGEST_CODE, LONGEST_STATE, BrowserProblem, Callback, Fragment
from portico.authorization_url import Redirectors, UnusableUrl
from portico.directory import Query
from portico.errors import InvalidRequest
from portico.records_request import RecordsRequest
from sandbox.world.world import World
from tests.fuzz.json_values import objects, values
from tests.journey.app import App, BoundBrowser
from tests.openapi_traffic import Traffic

CASES = int(os.environ.get("FUZZ_CASES", "50"))
FAST = settings(max_examples=4 * CASES, deadline=None, derandomize=CASES <= 50)

# --- the callback's query --------------------------------------------------------------------------

NAMES = st.sampled_from(["code", "state", "error", "error_description", "iss", "session_state", "CODE", ""])
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", "x" * LONGEST_CODE, "x" * (LONGEST_CODE + 1), "s" * (LONGEST_STATE + 1), "\r\nSet-Cookie: a=b"]
    ),
    st.sampled_from(["access_denied", "abc", "a+b", "%", "\x00", "\x7f", "é" * 1024]),
)
QUERIES = st.one_of(
    st.lists(st.tuples(NAMES, TEXTS), max_size=5).map(
        lambda pairs: "&".join(f"{name}={quote(value)}" for name, value in pairs)
    ),
    st.text("&=;%+#?abcdeo0123456789\x00\r\n é", max_size=60),
    st.integers(51, 300).map(lambda n: "&".join(["code=x"] * n)),
)


@FAST
@given(QUERIES)
@example("code=%ED%A0%80")
@example("code=a;error=b")
@example("code=x" + "&a=" * 60)
@example("x" * 20_000)
def test_a_callback_is_a_code_or_an_error_or_incomplete(query: str) -> None:
    try:
        callback = Callback.parse(query)
    except BrowserProblem as problem:
        assert problem.fragment is Fragment.INCOMPLETE
        return
    assert (callback.code is None) != (callback.error is None)
    for value, longest in ((callback.code, LONGEST_CODE), (callback.state, LONGEST_STATE)):
        if value is not None:
            assert 0 < len(value) <= longest
            assert value.encode() and not re.search(r"[\x00-\x1f\x7f]", value)


@pytest.fixture(scope="module")
def app(world: World) -> App:
    world.outside.reset()
    return App(world.api, world.token("fuzzed-callbacks"))


@settings(
    max_examples=max(20, CASES // 5),
    deadline=None,
    derandomize=CASES <= 50,
    suppress_health_check=list(HealthCheck),
)
@given(QUERIES)
def test_a_callback_over_http_leads_home_or_to_the_problem_page(app: App, world: World, query: str) -> None:
    address = quote(query, safe="&=;%+?")
    assume(len(address) < 8_000)
    browser = BoundBrowser(app.started(world.outside.portal("epic")))
    with httpx.Client(
        cookies=browser.cookies, trust_env=False, event_hooks={"response": [Traffic.of_the_api()]}
    ) as client:
        answer = client.get(f"{browser.callback}?{address}")
    assert answer.status_code == 303 and answer.content == b""
    location = urlsplit(answer.headers["location"])
    home, problem = urlsplit(app.return_url), urlsplit(f"{app.api}/connect/problem")
    assert location[:3] in (home[:3], problem[:3])
    assert location.fragment, "the fragment of the address before must not travel along"
    if location.path == problem.path:
        assert location.fragment == "incomplete" and not location.query
    browser.http.close()


# --- bodies and parameters -------------------------------------------------------------------------

FIELDS = {"portalId": str, "resources": list, "params": dict, "excludeUndatedEntries": bool}
BODY_NAMES = (*FIELDS, "fromTime", "toTime", "handle")
BODIES = st.one_of(
    st.text(max_size=60),
    st.binary(max_size=60).map(lambda data: data.decode("latin-1")),
    objects(BODY_NAMES).map(json.dumps),
    st.integers(1, 70_000).map(lambda n: "[" * n),
    st.integers(4_000, 5_000).map(lambda n: '{"portalId":' + "9" * n + "}"),
)


@FAST
@given(BODIES, st.booleans())
@example('{"portalId":"\\ud800"}', False)
@example('{"params":{"fromTime":["\\udfff"]}}', False)
@example('{"\\ud800":1}', False)
@example('{"portalId":"a","portalId":"b"}', False)
@example('{"portalId":NaN}', False)
@example("not base64", True)
@example(" ", False)
def test_a_body_has_only_known_fields_of_their_types_or_the_wrong_one_is_named(
    text: str, encoded: bool
) -> None:
    try:
        found = body.fields_of(text, encoded, FIELDS)
    except InvalidRequest as invalid:
        assert re.fullmatch(r"[A-Za-z_]\w{0,39}", invalid.field, re.ASCII)
        return
    for name, value in found.items():
        assert type(value) is FIELDS[name]
    assert json.dumps(found, ensure_ascii=False).encode(), "it can be stored and sent"


TIMES = st.one_of(
    st.text("0123456789-:.TZtz+W ", max_size=30),
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
    st.sampled_from(
        ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.999999Z"]
    ),
    st.sampled_from(
        ["2026-01-01", "2026-01-01T00:00:00", "2026-02-30T00:00:00Z", "2026-01-01T00:00:60Z", "T"]
    ),
)
PARAMS = st.one_of(
    values(("fromTime", "toTime", "excludeUndatedEntries")),
    st.fixed_dictionaries(
        {}, optional={"fromTime": TIMES, "toTime": TIMES, "excludeUndatedEntries": st.booleans()}
    ),
)
RESOURCES = st.one_of(
    values(("Patient",)), st.lists(st.sampled_from(["Patient", "Labs", "Vitals", "Moods", ""]), max_size=4)
)


@FAST
@given(st.fixed_dictionaries({}, optional={"resources": RESOURCES, "params": PARAMS}))
@example({"params": {"fromTime": "9999-12-31T23:59:59-01:00"}})
@example({"params": {"toTime": "0001-01-01T00:00:00+01:00"}})
@example({"resources": [["Patient"]]})
@example({"resources": [{}]})
def test_a_filter_is_one_that_the_vendor_knows_or_names_what_is_wrong(given_: dict[str, Any]) -> None:
    try:
        request = RecordsRequest.parse(given_)
    except InvalidRequest as invalid:
        assert re.fullmatch(r"resources|params(\.(fromTime|toTime|excludeUndatedEntries))?", invalid.field)
        return
    assert RecordsRequest.from_json(request.as_json()).fingerprint == request.fingerprint
    for name in ("fromTime", "toTime"):
        if name in request.params:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", request.params[name])


CURSORS = st.one_of(
    st.text(max_size=40),
    values(("name", "id")).map(
        lambda v: base64.urlsafe_b64encode(json.dumps(v).encode()).decode().rstrip("=")
    ),
    st.integers(1, 3_000).map(lambda n: base64.urlsafe_b64encode(b"[" * n).decode()),
)


@FAST
@given(
    st.text(max_size=10) | st.sampled_from(["clinical", "payer"]),
    st.fixed_dictionaries(
        {}, optional={"q": st.text(max_size=120), "limit": st.text(max_size=5), "cursor": CURSORS}
    ),
)
@example("clinical", {"limit": "٢"})
@example("clinical", {"limit": "1" * 5000})
@example("clinical", {"cursor": base64.urlsafe_b64encode(b'["\\ud800","x"]').decode()})
def test_a_search_is_within_its_bounds_or_names_what_is_wrong(data_type: str, given_: dict[str, str]) -> None:
    try:
        query = Query.parse(data_type, given_)
    except InvalidRequest as invalid:
        assert invalid.field in ("dataType", "q", "limit", "cursor")
        return
    assert query.data_type in ("clinical", "payer")
    assert 1 <= query.limit <= 100 and len(query.term) <= 100
    assert query.after is None or all(isinstance(part, str) for part in query.after)


# --- the URL builder -------------------------------------------------------------------------------

HOST = "redirector.example.com"
PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["https://", HOST, "/outbound/?portalURL=", "https%3A%2F%2Fportal.example.com%2Fa%3Fb%3D1", "&"]
        ),
        st.sampled_from(
            ["code_challenge=x", "%26code_challenge_method%3D", "S256", "?", "#", "%23", "%25", "clientURL="]
        ),
        st.sampled_from(
            [
                "@",
                "\\",
                "\r\n",
                "\t",
                "[",
                "]",
                ":80",
                ":99999999",
                "\u2100",
                "\ud800",
                "%ff",
                "<",
                "127.0.0.1",
            ]
        ),
        st.text(max_size=4),
    ),
    max_size=8,
).map("".join)
WHOLE = st.builds(
    lambda nested, tail: (
        f"https://{HOST}/outbound/?portalURL={quote(nested.encode(errors='replace'), safe='')}{tail}"
    ),
    st.one_of(PIECES, PIECES.map(lambda tail: f"https://portal.example.com/a?{tail}")),
    st.sampled_from(["", "&x=1", "&portalURL=y", "&PortalUrl=y"]),
)


@FAST
@given(
    PIECES | WHOLE, PIECES | PIECES.map(lambda tail: f"https://portal.example.com/a?{tail}"), st.booleans()
)
@example(f"https://{HOST}/?portalURL=https%3A%2F%2Fp.example.com", "https://p.example.com/?x=\ud800", True)
def test_a_browser_is_sent_to_the_redirector_or_nowhere(redirect: str, derived: str, literal: bool) -> None:
    redirectors = Redirectors(frozenset({HOST}), derived_replaces_portal_url=literal)
    try:
        url = authorization_url.outbound(redirect, derived, "challenge-43", redirectors)
        assert authorization_url.method_of(redirect, derived) in (None, *pkce.Method)
        state = authorization_url.preset_state(redirect)
    except (UnusableUrl, pkce.UnsupportedMethod):
        return
    whole = authorization_url.with_client_url(url, "https://portico.example.com/oauth/callback/x")
    assert re.fullmatch(r"[\x21-\x7e]+", whole), "it fits a header as it is"
    assert httpx.URL(whole).scheme == "https" and httpx.URL(whole).netloc == HOST.encode()
    assert whole.count("clientURL=") >= 1 and "code_challenge%3Dchallenge-43" in whole
    assert state is None or state.encode(errors="replace")
