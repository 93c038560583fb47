"""The URL that sends a patient to a portal: what is added, what is kept, and what is refused."""

import re
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from portico import authorization_url, pkce
from portico.authorization_url import Redirectors, UnusableUrl
from tests.unit.samples import GUIDE_ROW, REDIRECTORS, redirect_uri

GUIDE_REDIRECT: str = GUIDE_ROW["redirectUri"]
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
PORTAL = "https://login.mapleridge.example/authorize"
CLIENT_URL = "https://api.portico.example/oauth/callback/abc"


def nested_in(url: str) -> str:
    """What the redirector reads as `portalURL`, byte by byte."""
    values = re.findall(r"[?&]portalURL=([^&]*)", url)
    assert len(values) == 1
    return unquote(values[0], encoding="latin-1")


def built(nested: str, challenge: str | None = CHALLENGE, derived: str = "") -> str:
    """The nested URL after building, of a nested URL before."""
    return nested_in(authorization_url.outbound(redirect_uri(nested), derived, challenge, REDIRECTORS))


# --- what is kept ----------------------------------------------------------------------------------

HOSTILE = st.lists(
    st.sampled_from([*"ab1-._~+ %&=;/?:@!$'()*,<>\"{}|^`é☃", "%25", "%2B", "%26", "%zz", "%2526"]), max_size=8
).map("".join)
PIECES = st.lists(st.tuples(HOSTILE, st.booleans(), HOSTILE), max_size=5).map(
    lambda pairs: "&".join(f"{name}={value}" if equals else name for name, equals, value in pairs)
)
NESTED = st.builds(
    lambda path, query, fragment: f"{PORTAL}{path}{query}{fragment}",
    st.sampled_from(["", "/", "/oauth2/%7Etenant", "/a+b"]),
    st.one_of(st.just(""), st.just("?"), PIECES.map("?{}".format), PIECES.map("?{}&".format)),
    st.one_of(st.just(""), HOSTILE.map("#{}".format)),
)
AROUND = st.sampled_from([("?", ""), ("?", "&lang=en"), ("?device=1&", "&lang=en%2FUS")])


def names_of(url: str) -> set[str]:
    return {unquote(piece.partition("=")[0]) for piece in url.partition("#")[0].partition("?")[2].split("&")}


@settings(max_examples=60)
@given(NESTED, AROUND, st.sampled_from(["", "/:?=", "/:?=+~", ":@!$'()*,;"]), st.booleans())
def test_the_nested_url_gains_exactly_the_challenge_and_its_method_and_keeps_every_other_byte(
    nested: str, around: tuple[str, str], safe: str, small_hex: bool
) -> None:
    assume(not names_of(nested) & {"code_challenge", "code_challenge_method"})
    encoded = quote(nested, safe=safe)
    encoded = re.sub(r"%..", lambda hit: hit.group().lower(), encoded) if small_hex else encoded
    before, after = f"https://redirector.onerecord.com/outbound/{around[0]}portalURL=", around[1]
    given_url = before + encoded + after

    result = authorization_url.outbound(
        given_url, f"{PORTAL}?code_challenge_method=S256", CHALLENGE, REDIRECTORS
    )

    kept_bytes, _, fragment = nested.encode().decode("latin-1").partition("#")
    added = f"code_challenge={CHALLENGE}&code_challenge_method=S256"
    joint = "?" if "?" not in kept_bytes else "" if kept_bytes.endswith(("?", "&")) else "&"
    mark = "#" if "#" in nested else ""
    assert nested_in(result) == f"{kept_bytes}{joint}{added}{mark}{fragment}"
    assert result.startswith(before)
    assert result.endswith(after)
    untouched = encoded.partition("%23")[0] if "#" in nested else encoded
    assert result.startswith(before + untouched)


@settings(max_examples=60)
@given(NESTED, AROUND)
def test_a_portal_without_pkce_gets_the_very_url_of_the_directory(
    nested: str, around: tuple[str, str]
) -> None:
    given_url = f"https://redirector.onerecord.com/outbound/{around[0]}portalURL={quote(nested)}{around[1]}"
    assume("code_challenge_method" not in names_of(nested))
    assert authorization_url.outbound(given_url, "", None, REDIRECTORS) == given_url


def test_the_guides_own_example_keeps_its_doubly_encoded_redirect_uri() -> None:
    result = authorization_url.outbound(GUIDE_REDIRECT, "", CHALLENGE, REDIRECTORS)
    assert result == (GUIDE_REDIRECT + f"%26code_challenge%3D{CHALLENGE}" + "%26code_challenge_method%3DS256")


@settings(max_examples=60)
@given(HOSTILE)
def test_a_challenge_that_is_there_already_is_replaced_in_its_place(old: str) -> None:
    assume("&" not in old)
    nested = f"{PORTAL}?client_id=a%2Bb&code_challenge={old}&scope=x+y&code_challenge_method=S256"
    expected = f"{PORTAL}?client_id=a%2Bb&code_challenge={CHALLENGE}&scope=x+y&code_challenge_method=S256"
    assert built(nested) == expected


def test_an_empty_method_is_filled_in() -> None:
    nested = f"{PORTAL}?code_challenge_method=&client_id=1"
    assert built(nested) == f"{PORTAL}?code_challenge_method=S256&client_id=1&code_challenge={CHALLENGE}"


@pytest.mark.parametrize("word", ["S256", "s256", "plain", "PLAIN", "Plain"])
def test_the_portals_own_spelling_of_its_method_is_kept(word: str) -> None:
    nested = f"{PORTAL}?code_challenge_method={word}"
    assert built(nested) == f"{nested}&code_challenge={CHALLENGE}"


def test_a_method_that_only_the_derived_url_names_is_added() -> None:
    assert built(f"{PORTAL}?a=1", derived=f"{PORTAL}?code_challenge_method=plain") == (
        f"{PORTAL}?a=1&code_challenge={CHALLENGE}&code_challenge_method=plain"
    )


def test_urls_that_disagree_on_the_method_are_settled_for_s256_in_what_the_portal_reads() -> None:
    nested = f"{PORTAL}?code_challenge_method=plain&a=1"
    assert built(nested, derived=f"{PORTAL}?code_challenge_method=S256") == (
        f"{PORTAL}?code_challenge_method=S256&a=1&code_challenge={CHALLENGE}"
    )


@pytest.mark.parametrize("name", ["code_challenge", "code_challenge_method", "code%5Fchallenge"])
def test_a_portal_url_that_names_a_challenge_parameter_twice_is_refused(name: str) -> None:
    with pytest.raises(UnusableUrl):
        built(f"{PORTAL}?{name}=S256&a=1&{unquote(name)}=S256")


def test_t11_the_client_url_is_appended_outside_and_nothing_else_moves() -> None:
    built_url = authorization_url.outbound(GUIDE_REDIRECT, "", CHALLENGE, REDIRECTORS)
    assert authorization_url.with_client_url(built_url, CLIENT_URL) == (
        f"{built_url}&clientURL=https%3A%2F%2Fapi.portico.example%2Foauth%2Fcallback%2Fabc"
    )


# --- the portal's method ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("in_portal_url", "in_derived", "method"),
    [
        ("", "", None),
        ("code_challenge_method=S256", "", pkce.Method.S256),
        ("", "code_challenge_method=S256", pkce.Method.S256),
        ("code_challenge_method=s256", "", pkce.Method.S256),
        ("code_challenge_method=", "", pkce.Method.S256),
        ("code_challenge_method", "", pkce.Method.S256),
        ("code_challenge_method=plain", "", pkce.Method.PLAIN),
        ("code_challenge_method=PLAIN", "", pkce.Method.PLAIN),
        ("code_challenge_method=plain", "code_challenge_method=S256", pkce.Method.S256),
        ("xcode_challenge_method=plain", "", None),
    ],
)
def test_pkce_is_on_when_either_url_names_a_method(
    in_portal_url: str, in_derived: str, method: pkce.Method | None
) -> None:
    redirect, derived = redirect_uri(f"{PORTAL}?{in_portal_url}"), f"{PORTAL}?{in_derived}"
    assert authorization_url.method_of(redirect, derived) == method


@pytest.mark.parametrize("word", ["S512", "none", "S256 plain", "sha256", "%00"])
def test_t07_an_unknown_method_is_refused_wherever_it_stands(word: str) -> None:
    asking = f"{PORTAL}?code_challenge_method={word}"
    with pytest.raises(pkce.UnsupportedMethod):
        authorization_url.method_of(redirect_uri(asking), "")
    with pytest.raises(pkce.UnsupportedMethod):
        authorization_url.method_of(redirect_uri(PORTAL), asking)


# --- a preset state --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("client_id=1", None),
        ("state=", None),
        ("state=7f3a", "7f3a"),
        ("a=1&state=x%2Fy%3D%3D&b=2", "x/y=="),
        ("xstate=1", None),
        ("a=1#state=2", None),
    ],
)
def test_a_state_of_the_vendors_is_read_from_the_portal_url(query: str, state: str | None) -> None:
    assert authorization_url.preset_state(redirect_uri(f"{PORTAL}?{query}")) == state


# --- the other reading of the guide ----------------------------------------------------------------

LITERAL = Redirectors(REDIRECTORS.hosts, derived_replaces_portal_url=True)


def test_by_the_literal_reading_the_derived_url_replaces_the_portal_url() -> None:
    derived = f"{PORTAL}?client_id=a%2Bb&code_challenge_method=S256#é"
    result = authorization_url.outbound(
        redirect_uri("https://old.example/x") + "&lang=en", derived, CHALLENGE, LITERAL
    )
    assert nested_in(result).encode("latin-1").decode() == (
        f"{PORTAL}?client_id=a%2Bb&code_challenge_method=S256&code_challenge={CHALLENGE}#é"
    )
    assert result.endswith("&lang=en")


def test_by_the_literal_reading_a_derived_url_with_a_blank_to_fill_in_is_refused() -> None:
    derived = GUIDE_ROW["derivedAuthUri"] + "&code_challenge_method=S256"
    with pytest.raises(UnusableUrl):
        authorization_url.outbound(GUIDE_REDIRECT, derived, CHALLENGE, LITERAL)


def test_by_the_literal_reading_a_derived_url_to_an_address_is_refused() -> None:
    with pytest.raises(UnusableUrl):
        authorization_url.outbound(
            redirect_uri(PORTAL), "https://10.0.0.1/?code_challenge_method=S256", CHALLENGE, LITERAL
        )


def test_the_literal_reading_leaves_a_portal_without_pkce_alone() -> None:
    assert authorization_url.outbound(GUIDE_REDIRECT, PORTAL, None, LITERAL) == GUIDE_REDIRECT


# --- where a browser may not be sent ---------------------------------------------------------------


@pytest.mark.parametrize(
    "redirect",
    [
        "",
        "not a url",
        "http://redirector.onerecord.com/outbound/?portalURL={}",
        "javascript:alert(1)//redirector.onerecord.com/?portalURL={}",
        "//redirector.onerecord.com/outbound/?portalURL={}",
        "https://evil.example/outbound/?portalURL={}",
        "https://redirector.onerecord.com.evil.example/?portalURL={}",
        "https://redirector.onerecord.com@evil.example/?portalURL={}",
        "https://user@redirector.onerecord.com/?portalURL={}",
        "https://user:pw@redirector.onerecord.com/?portalURL={}",
        "https://redirector.onerecord.com:8443/?portalURL={}",
        "https://redirector.onerecord.com./?portalURL={}",
        "https://redirector.onerecord.com\\.evil.example/?portalURL={}",
        "https://evil.example\\@redirector.onerecord.com/?portalURL={}",
        "https://127.0.0.1/?portalURL={}",
        "https://localhost/?portalURL={}",
        "https://[::1/?portalURL={}",
        "https://[redirector.onerecord.com]/?portalURL={}",
        "https://redirector.onerecord.com/?portalURL={}#here",
        "https://redirector.onerecord.com/?portalURL={}#",
        "https://redirector.onerecord.com/\r\nSet-Cookie: a=b/?portalURL={}",
        "https://redirector.onere\tcord.com/?portalURL={}",
        " https://redirector.onerecord.com/?portalURL={}",
        "https://redirector.onerecord.com/?portalURL={}&x=\u2028",
        "https://redirector.onerecord.com/?portalURL={}&clientURL=https%3A%2F%2Fevil.example",
        "https://redirector.onerecord.com/?clienturl=https%3A%2F%2Fevil.example&portalURL={}",
        "https://redirector.onerecord.com/?CLIENT%55RL=https%3A%2F%2Fevil.example&portalURL={}",
        "https://redirector.onerecord.com/?portalURL={}&portalURL={}",
        "https://redirector.onerecord.com/?portalurl={}",
        "https://redirector.onerecord.com/?portalURL={}&PortalUrl={}",
        "https://redirector.onerecord.com/?url={}",
    ],
)
def test_t10_a_poisoned_redirect_uri_is_refused(redirect: str) -> None:
    with pytest.raises(UnusableUrl):
        authorization_url.outbound(redirect.replace("{}", quote(PORTAL, safe="")), "", None, REDIRECTORS)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "login.mapleridge.example/authorize",
        "http://login.mapleridge.example/authorize",
        "ftp://login.mapleridge.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:///authorize",
        "https://user@login.mapleridge.example/",
        "https://user:pw@login.mapleridge.example/",
        "https://login.mapleridge.example:99999/",
        "https://login.mapleridge.example:port/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://app.localhost/",
        "https://intranet/",
        "https://127.0.0.1/",
        "https://127.0.0.1./",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://10.1.2.3:8443/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://[::1/",
        "https://１２７.0.0.1/",
        "https://127。0。0。1/",
        "https://127%2E0%2E0%2E1/",
        "https://127.0.0.1\\.login.mapleridge.example/",
        "https://127.0.0.1\t/",
        "https:\\\\127.0.0.1/",
    ],
)
def test_t10_a_poisoned_portal_url_is_refused(url: str) -> None:
    with pytest.raises(UnusableUrl):
        authorization_url.outbound(redirect_uri(url), "", None, REDIRECTORS)


@pytest.mark.parametrize(
    "url",
    [
        PORTAL,
        "HTTPS://Login.MapleRidge.Example/authorize",
        "https://login.mapleridge.example:8443/authorize?x=1",
        "https://xn--bcher-kva.example/authorize",
        "https://0x7f.mapleridge.example/",
        "https://a_b.mapleridge.example/",
    ],
)
def test_a_public_host_name_over_https_is_fine(url: str) -> None:
    assert nested_in(authorization_url.outbound(redirect_uri(url), "", None, REDIRECTORS)) == url


def test_the_redirectors_name_may_be_in_any_letter_case() -> None:
    url = GUIDE_REDIRECT.replace("https://redirector.onerecord.com", "HTTPS://Redirector.OneRecord.COM")
    assert authorization_url.outbound(url, "", None, REDIRECTORS) == url


@pytest.mark.parametrize("portal_url", ["http://127.0.0.1:9001/authorize", "http://localhost:9001/a", PORTAL])
def test_a_local_world_may_use_plain_http_on_its_own_addresses(portal_url: str) -> None:
    local = Redirectors(frozenset({"127.0.0.1:9000"}), loopback=True)
    url = f"http://127.0.0.1:9000/outbound/?portalURL={quote(portal_url, safe='')}"
    assert authorization_url.outbound(url, "", None, local) == url


@settings(max_examples=60)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_at_all_is_built_upon_or_refused(redirect: str, nested: str) -> None:
    for url in (redirect, redirect_uri(nested), f"https://redirector.onerecord.com/?portalURL={nested}"):
        try:
            built_url = authorization_url.outbound(url, nested, CHALLENGE, REDIRECTORS)
        except (UnusableUrl, pkce.UnsupportedMethod):
            continue
        assert urlsplit(built_url).hostname == "redirector.onerecord.com"
