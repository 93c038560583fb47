"""The app's identity provider: OIDC discovery, keys, and access tokens for anyone who asks."""

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

_KEY_ID = "sandbox-1"


class Identity:
    """Mints RS256 access tokens and publishes the key that verifies them.

    It lives by real time, not by the sandbox's clock: whoever verifies its tokens does too.
    """

    def __init__(self, issuer: str, audience: str, scope: str) -> None:
        self._issuer, self._audience, self._scope = issuer, audience, scope
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/jwks.json", self._jwks)
        app.router.add_post("/token", self._token)
        return app

    def mint(
        self,
        sub: str,
        *,
        scope: str | None = None,
        expires_in: float = 3600,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """An access token; `claims` overrides anything, and None removes a claim."""
        now = int(time.time())
        usual: dict[str, Any] = {
            "iss": self._issuer,
            "sub": sub,
            "aud": self._audience,
            "scope": self._scope if scope is None else scope,
            "iat": now,
            "nbf": now,
            "exp": int(now + expires_in),
            "jti": uuid.uuid4().hex,
            "client_id": "sandbox-app",
            "token_use": "access",
        }
        final = {name: value for name, value in {**usual, **(claims or {})}.items() if value is not None}
        # Signed by hand over a plain dict: wrong types are wanted here, and the library refuses some of them.
        return jwt.api_jws.encode(
            json.dumps(final, separators=(",", ":")).encode(),
            self._key,
            algorithm="RS256",
            headers={"kid": _KEY_ID, "typ": "JWT"},
        )

    async def _discovery(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self._issuer,
                "jwks_uri": f"{self._issuer}/jwks.json",
                "token_endpoint": f"{self._issuer}/token",
                "authorization_endpoint": f"{self._issuer}/authorize",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": [self._scope],
            }
        )

    async def _jwks(self, _request: web.Request) -> web.Response:
        key = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return web.json_response({"keys": [{**key, "kid": _KEY_ID, "use": "sig", "alg": "RS256"}]})

    async def _token(self, request: web.Request) -> web.Response:
        try:
            asked = await request.json()
            expires_in = float(asked.get("expiresIn", 3600))
            token = self.mint(
                str(asked["sub"]), scope=asked.get("scope"), expires_in=expires_in, claims=asked.get("claims")
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return web.json_response({"error": "invalid_request"}, status=400)
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": expires_in})
