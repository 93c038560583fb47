"""Who may: tokens of the app's identity provider, and what belongs to another user."""

import base64
import json
from typing import Any

import httpx
import pytest

from portico.ids import owner_of
from sandbox.outside import Outside
from sandbox.world.world import World
from tests.journey.app import App, refused
from tests.journey.conftest import NewApp
from tests.journey.test_exchange import without_instance

ID = "A" * 22
ROUTES = [
    ("GET", "/v1/portals/clinical"),
    ("POST", "/v1/connections"),
    ("GET", "/v1/connections"),
    ("GET", f"/v1/connections/{ID}"),
    ("DELETE", f"/v1/connections/{ID}"),
    ("POST", f"/v1/connections/{ID}/token"),
    ("POST", f"/v1/connections/{ID}/reconnect"),
    ("POST", f"/v1/connections/{ID}/records"),
    ("GET", f"/v1/retrievals/{ID}"),
    ("DELETE", f"/v1/retrievals/{ID}"),
    ("GET", f"/v1/retrievals/{ID}/files/Patient.ndjson"),
]


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(world: World) -> str:
    claims = {
        "iss": world.urls.issuer,
        "aud": "portico",
        "sub": "eve",
        "scope": "portico/app",
        "exp": 4102444800,
    }
    return f"{part({'alg': 'none'})}.{part(claims)}."


def signed_for_another(world: World) -> str:
    head, _, signature = world.token("eve").split(".")
    _, claims, _ = world.token("mallory").split(".")
    return f"{head}.{claims}.{signature}"


def an_id_token(world: World) -> str:
    """What the identity provider gives to the app's page: its audience is the app's client, it has no scope."""
    return world.token(
        "eve", claims={"aud": "client-of-the-app", "scope": None, "nonce": "n", "token_use": "id"}
    )


UNACCEPTABLE: dict[str, Any] = {
    "none": (lambda world: "", 401),
    "garbage": (lambda world: "garbage", 401),
    "unsigned": (unsigned, 401),
    "signature of another": (signed_for_another, 401),
    "expired": (lambda world: world.token("eve", expires_in=-60), 401),
    "wrong audience": (lambda world: world.token("eve", claims={"aud": "another-api"}), 401),
    "wrong issuer": (lambda world: world.token("eve", claims={"iss": "https://issuer.example"}), 401),
    "ID token": (an_id_token, 401),
    "wrong scope": (lambda world: world.token("eve", scope="portico/other"), 403),
    "no scope": (lambda world: world.token("eve", scope=""), 403),
    "not yet valid": (lambda world: world.token("eve", claims={"nbf": 4102444800}), 401),
}


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
def test_no_route_of_the_app_answers_without_an_acceptable_token(
    method: str, path: str, world: World, outside: Outside
) -> None:
    world.forget_aws_calls()
    with httpx.Client(base_url=world.api, trust_env=False, timeout=30) as client:
        for name, (make, status) in UNACCEPTABLE.items():
            token = make(world)
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == status, f"{name}: {answer.status_code} {answer.text}"
    background = {"refresh_connection"}
    assert not {call.function for call in world.aws_calls()} - background, "nothing ran"


def test_an_unacceptable_token_changes_nothing_at_the_exchange(
    world: World, app: App, outside: Outside
) -> None:
    link = app.authorized(outside.portal("cerner"))
    for name, (make, status) in UNACCEPTABLE.items():
        answer = httpx.post(
            f"{world.api}/v1/connections/{link.id}/token",
            headers={"Authorization": f"Bearer {make(world)}"} if make(world) else {},
            json={"handle": link.handle},
            trust_env=False,
        )
        assert answer.status_code == status, name
    assert link.exchange().status_code == 200


def test_what_belongs_to_another_user_does_not_exist(new_app: NewApp, outside: Outside) -> None:
    owner, other = new_app(), new_app()
    link = owner.connected(outside.portal("epic"))
    done = link.retrieve("Patient")
    retrieval, file = done.url.path, done.json()["output"][0]["url"].removeprefix(owner.api)
    start = {"returnUrl": other.return_url}
    unknown = "B" * 22
    for method, path, absent, body in (
        ("GET", f"/v1/connections/{link.id}", f"/v1/connections/{unknown}", None),
        ("DELETE", f"/v1/connections/{link.id}", f"/v1/connections/{unknown}", None),
        ("POST", f"/v1/connections/{link.id}/token", f"/v1/connections/{unknown}/token", {"handle": "h"}),
        ("POST", f"/v1/connections/{link.id}/reconnect", f"/v1/connections/{unknown}/reconnect", start),
        ("POST", f"/v1/connections/{link.id}/records", f"/v1/connections/{unknown}/records", {}),
        ("GET", retrieval, f"/v1/retrievals/{unknown}", None),
        ("DELETE", retrieval, f"/v1/retrievals/{unknown}", None),
        ("GET", file, f"/v1/retrievals/{unknown}/files/Patient.ndjson", None),
    ):
        theirs = other.http.request(method, path, json=body)
        nothing = other.http.request(method, absent, json=body)
        assert refused(theirs) == refused(nothing) == (404, "not-found"), path
        assert without_instance(theirs.json()) == without_instance(nothing.json()), path
    later = other.records(link.id, later=True)
    assert refused(later) == (404, "not-found")
    assert other.get("/v1/connections").json() == {"connections": [], "next": None}
    assert link.status == ("active", None)
    assert len(owner.file(file)) == 1


def test_the_same_subject_of_another_issuer_would_be_another_user(world: World) -> None:
    assert owner_of("https://one.example", "alice") != owner_of("https://two.example", "alice")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/connections/{}",
        "/v1/retrievals/{}",
        "/v1/retrievals/{}/files/Patient.ndjson",
        "/v1/retrievals/AAAAAAAAAAAAAAAAAAAAAA/files/{}",
    ],
)
@pytest.mark.parametrize(
    "odd", ["x", "%20", "%00", "%22", "running.AAAA", "owner.AAAA", "%F0%9F%92%89", "x" * 3000]
)
def test_an_id_of_any_other_form_is_not_found(odd: str, path: str, app: App) -> None:
    assert refused(app.get(path.format(odd))) == (404, "not-found")


@pytest.mark.parametrize("action", ["token", "reconnect", "records"])
def test_an_odd_id_is_not_found_by_what_changes_things_either(action: str, app: App) -> None:
    body = {"token": {"handle": "h"}, "reconnect": {"returnUrl": app.return_url}, "records": {}}[action]
    for odd in ("x", "%22", "x" * 3000):
        assert refused(app.post(f"/v1/connections/{odd}/{action}", body)) == (404, "not-found")
    assert refused(app.delete(f"/v1/connections/{'x' * 3000}")) == (404, "not-found")
