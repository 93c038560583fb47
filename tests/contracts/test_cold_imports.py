"""What each function loads before its first request: a cold start pays for every line of this table."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER, RUNTIME = ROOT / ".local" / "layer", ROOT / ".local" / "runtime"
STEMS = sorted(path.parent.name for path in ROOT.glob("functions/*/handler.py"))

# Everywhere: the runtime's SDK and the little that Powertools needs.
BASE = {
    "aws_lambda_powertools", "boto3", "botocore", "certifi", "dateutil", "jmespath", "portico", "s3transfer", "six",
    "typing_extensions", "urllib3",
}  # fmt: skip
VENDOR = {"httpx", "httpcore", "h11", "idna", "anyio", "sniffio"}
SEALING = {"cryptography", "cffi", "_cffi_backend", "_openssl"}
SPLITTING = {"msgspec"}
STORING = {"isal"}

TABLE: dict[str, set[str]] = {
    "apply_tombstones": STORING,
    "begin_retrieval": VENDOR | SEALING,
    "erase_user": STORING,
    "exchange_token": VENDOR | SEALING,
    "finish_retrieval": STORING,
    "launch_connection": set(),
    "manage_connections": STORING,
    "poll_retrieval": VENDOR | SEALING | SPLITTING | STORING,
    "read_retrieval": STORING,
    "receive_callback": SEALING,
    "refresh_connection": VENDOR | SEALING,
    "retrieve_records": VENDOR | SEALING | SPLITTING | STORING,
    "rewrap_tokens": SEALING,
    "search_portals": VENDOR,
    "start_connection": VENDOR | SEALING,
}
NEVER = {"pydantic", "aws_xray_sdk", "requests", "orjson", "jsonschema", "yaml", "rich", "click", "numpy"}
SETTINGS = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_SERVICE_NAME": "portico",
    "DIRECTORY_URL": "https://directory.example.com",
    "INTEGRATOR_URL": "https://integrator.example.com",
    "REDIRECTOR_HOSTS": "redirector.example.com",
    "RETURN_URLS": "https://app.example.com/return",
    "FIRST_POLL_SECONDS": "5",
    "RETENTION_DAYS": "7",
} | dict.fromkeys(
    (
        "ATTEMPTS_TABLE", "CONNECTIONS_TABLE", "RETRIEVALS_TABLE", "RESULTS_BUCKET", "TOKENS_KEY",
        "ONERECORD_SECRET", "STATE_MACHINE", "REFRESH_QUEUE", "REFRESH_QUEUE_ARN", "SCHEDULE_GROUP",
        "SCHEDULER_ROLE",
    ),
    "named",
)  # fmt: skip


def load(stem: str) -> set[str] | str:
    """The packages and adapters that a function's import loads, in an interpreter that knows nothing else.

    Text instead when it does not load: what the interpreter said.
    """
    path = os.pathsep.join(map(str, (ROOT / "functions" / stem, ROOT / "layers" / "common", LAYER, RUNTIME)))
    script = Path(__file__).parent / "imports_of.py"
    command = [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, path, str(script), str(_handler(stem))]
    done = subprocess.run(command, capture_output=True, env=SETTINGS, timeout=60, check=False)
    return set(json.loads(done.stdout)) if done.returncode == 0 else done.stderr.decode()


_BOOTSTRAP = """
import runpy, sys
path, script, handler = sys.argv[1:]
sys.path[:0] = path.split(":")
sys.argv = [script, handler]
runpy.run_path(script, run_name="__main__")
"""


def _handler(stem: str) -> Path:
    return ROOT / "functions" / stem / "handler.py"


@cache
def everything() -> dict[str, set[str] | str]:
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(STEMS, pool.map(load, STEMS), strict=True))


pytestmark = pytest.mark.skipif(not LAYER.is_dir(), reason="the layer's libraries are not installed")


def loaded(stem: str) -> set[str]:
    found = everything()[stem]
    assert isinstance(found, set), found
    return found


def packages(stem: str) -> set[str]:
    return {name for name in loaded(stem) if not name.startswith("portico.")}


def test_every_function_is_in_the_table() -> None:
    assert TABLE.keys() == set(STEMS)


@pytest.mark.parametrize("stem", STEMS)
def test_a_function_loads_nothing_that_the_table_does_not_allow(stem: str) -> None:
    assert packages(stem) - BASE <= TABLE[stem]


@pytest.mark.parametrize("stem", STEMS)
def test_the_table_allows_no_more_than_is_used(stem: str) -> None:
    marks = {"httpx", "cryptography", "msgspec", "isal"}
    needed = {mark for mark in marks if mark in TABLE[stem]}
    assert needed == packages(stem) & marks


@pytest.mark.parametrize("stem", STEMS)
def test_a_function_never_loads_what_is_slow_or_not_ours(stem: str) -> None:
    assert not packages(stem) & NEVER


def test_only_who_calls_the_vendor_loads_its_client() -> None:
    callers = {stem for stem in STEMS if "portico.adapters.onerecord" in loaded(stem)}
    assert callers == {stem for stem in STEMS if TABLE[stem] >= VENDOR}


def test_the_settings_of_this_test_are_those_of_the_template() -> None:
    """A setting that the template does not give would fail in the init phase of a deployed function."""
    template = (ROOT / "template.yaml").read_text()
    given = set(SETTINGS) - {"AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED"}
    assert all(f"{name}:" in template for name in given)
