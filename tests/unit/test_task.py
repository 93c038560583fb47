"""A workflow task's edge: our errors by name, everything else without its text."""

import traceback
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from portico.errors import Defect, PorticoError, ResultExpired, StorageUnavailable
from portico.task import task

SECRET = "eyJhbGciOi-canary"


def run(act: Any) -> dict[str, Any]:
    @task(Logger(service="test"))
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        outcome: dict[str, Any] = act()
        return outcome

    return handler({}, None)


def raising(error: Exception) -> Any:
    def act() -> None:
        raise error

    return act


def test_an_outcome_is_passed_on() -> None:
    assert run(lambda: {"status": "running", "wait": 5}) == {"status": "running", "wait": 5}


@pytest.mark.parametrize("error", [ResultExpired(), StorageUnavailable()])
def test_an_error_of_ours_escapes_by_its_name(error: PorticoError) -> None:
    with pytest.raises(type(error)) as escaped:
        run(raising(error))
    assert escaped.value is error


@pytest.mark.parametrize("error", [ValueError(SECRET), KeyError(SECRET), TypeError(SECRET)])
def test_anything_else_is_a_defect_without_its_text(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Defect) as escaped:
        run(raising(error))
    told = "".join(traceback.format_exception(escaped.value))
    assert SECRET not in told + capsys.readouterr().out
    assert type(error).__name__ not in str(escaped.value)
