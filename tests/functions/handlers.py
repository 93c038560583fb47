"""Handlers as Lambda loads them: a fresh module over a stand-in's stores, given the events that are kept in events/."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.backends import ROOT, Backend

SETTINGS = {
    "INTEGRATOR_URL": "http://127.0.0.1:9",
    "DIRECTORY_URL": "http://127.0.0.1:9",
    "REDIRECTOR_HOSTS": "redirector.onerecord.com",
    "RETURN_URLS": "https://app.example.com/return",
    "FIRST_POLL_SECONDS": "5",
    "RETENTION_DAYS": "7",
}


@dataclass
class Context:
    """What Lambda tells a function about its run."""

    function_name: str
    seconds: float = 900
    memory_limit_in_mb: int = 512
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:us-east-1:000000000000:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@dataclass
class Function:
    """A function that was just loaded."""

    name: str
    module: Any

    def __call__(self, event: Any, seconds: float = 900) -> dict[str, Any]:
        answer: dict[str, Any] = self.module.lambda_handler(event, Context(self.name, seconds))
        # As Lambda carries it.
        return dict(json.loads(json.dumps(answer)))


def load(name: str, backend: Backend, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Function:
    """The function of that folder, with its settings pointing to the stand-in's stores."""
    backend.use()
    for setting, value in (SETTINGS | backend.environment | settings).items():
        monkeypatch.setenv(setting, value)
    spec = importlib.util.spec_from_file_location(
        f"handler_of_{name}", ROOT / "functions" / name / "handler.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Function(name, module)


def event(function: str, case: str) -> Any:
    """A kept event."""
    return json.loads(Path(ROOT / "events" / function / f"{case}.json").read_text())
