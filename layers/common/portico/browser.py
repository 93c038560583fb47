"""What ties a browser to its attempt: one cookie, and knowing a prefetch from a person."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.shared.cookies import Cookie, SameSite
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from portico import config
from portico.attempt import LAUNCH_SECONDS, LOGIN_SECONDS
from portico.ids import is_secret

_NAME = "portico-connect"
_PREFETCH = ("sec-purpose", "purpose", "x-purpose", "x-moz")


def cookie_name() -> str:
    """`__Host-` keeps other hosts from setting it; plain http on loopback cannot have that."""
    return _NAME if config.loopback() else f"__Host-{_NAME}"


def cookie(value: str) -> Cookie:
    """The cookie that binds a browser (RFC 6265bis): this host, every path, not for scripts."""
    return Cookie(
        name=cookie_name(),
        value=value,
        path="/",
        secure=not config.loopback(),
        http_only=True,
        same_site=SameSite.LAX_MODE,
        max_age=LAUNCH_SECONDS + LOGIN_SECONDS,
    )


def cookie_of(event: APIGatewayProxyEventV2 | Any) -> str | None:
    """The cookie that came along; None when there is none of its form, or more than one."""
    pairs = (crumb.strip().partition("=") for crumb in event.get("cookies") or [])
    values = [value for name, _, value in pairs if name == cookie_name()]
    return values[0] if len(values) == 1 and is_secret(values[0]) else None


def is_prefetch(headers: Mapping[str, str]) -> bool:
    """Whether a browser only looks ahead, for a person who has not come yet."""
    given = {name.lower(): value.lower() for name, value in headers.items()}
    return any("prefetch" in given.get(name, "") or "preview" in given.get(name, "") for name in _PREFETCH)
