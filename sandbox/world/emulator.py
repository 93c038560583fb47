"""The AWS emulator as a subprocess of this one: start, speak to, stop.

Nothing of the user's own AWS configuration reaches it or the functions that it runs: the environment is built
from a short list of names, the home folder is a temporary one, and the endpoint of every client is loopback.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from sandbox.world.emulator_server import CALLS_PATH, OWN_SETTINGS, RECORDING

REGION = OWN_SETTINGS["MINISTACK_REGION"]
ROOT = Path(__file__).resolve().parents[2]
RUNTIME_DIR = ROOT / ".local" / "runtime"
KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_ROOT_KEY = ("test", "test")


class EmulatorFailed(Exception):
    """The emulator did not start; the message ends with what it printed."""


@dataclass(frozen=True)
class Credentials:
    """Keys that are valid in the emulator alone."""

    access_key: str = _ROOT_KEY[0]
    secret_key: str = _ROOT_KEY[1]
    session_token: str | None = None


def isolated_environment(home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What a process of the local world may know of `environment`: no AWS_ variable, profile or proxy."""
    kept = {name: environment[name] for name in KEPT_ENVIRONMENT if name in environment}
    return kept | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def isolated_session(credentials: Credentials) -> boto3.session.Session:
    """A session that reads neither the environment nor any file of the user's AWS configuration."""
    unread = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
        "ca_bundle": (None, None, None, None),
    }
    core = botocore.session.Session(session_vars=unread)
    core.set_credentials(credentials.access_key, credentials.secret_key, credentials.session_token)
    return boto3.session.Session(botocore_session=core, region_name=REGION)


class Emulator:
    """A running emulator. `url` answers as every AWS service; `client` gives a boto3 client for it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, home: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.home = home
        self._process = process
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._session = isolated_session(Credentials())

    @classmethod
    def start(
        cls,
        *,
        wait_scale: float = 1.0,
        recording: Path | None = None,
        runtime_dir: Path = RUNTIME_DIR,
        patched: bool = True,
    ) -> "Emulator":
        """Start one on a free port. Requests that come before its modules are loaded wait for them.

        What the stack's roles call is written into `recording`, if given.
        """
        if not (runtime_dir / "awslambdaric").is_dir():
            raise EmulatorFailed("the Lambda runtime's libraries are not installed: run `make setup`")
        command = [sys.executable, "-m", "sandbox.world.emulator_server", str(runtime_dir)]
        home = Path(tempfile.mkdtemp(prefix="portico-world-"))
        settings = OWN_SETTINGS | {"SFN_WAIT_SCALE": str(wait_scale)}
        settings |= {RECORDING: str(recording)} if recording else {}
        environment = isolated_environment(home, os.environ) | settings
        with (home / "emulator.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, str(home), *([] if patched else ["plain"])],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert process.stdout is not None
        announced = process.stdout.readline()
        if not announced:
            process.wait()
            said = (home / "emulator.log").read_text(errors="replace")
            shutil.rmtree(home, ignore_errors=True)
            raise EmulatorFailed(f"the emulator did not start:\n{said}")
        return cls(process, json.loads(announced)["port"], home)

    def client(self, service: str, credentials: Credentials | None = None) -> Any:
        """A boto3 client for the emulator: as the account's root, or with the given keys."""
        with self._lock:
            if credentials is not None:
                return self._make(isolated_session(credentials), service)
            if service not in self._clients:
                self._clients[service] = self._make(self._session, service)
            return self._clients[service]

    def client_as(self, role_arn: str, service: str) -> Any:
        """A boto3 client that has what the role has."""
        keys = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="local")["Credentials"]
        credentials = Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        return self.client(service, credentials)

    def calls(self) -> list[dict[str, Any]]:
        """What has been called so far: role, service, action, refused, count."""
        connection = HTTPConnection("127.0.0.1", int(self.url.rpartition(":")[2]), timeout=10)
        try:
            connection.request("GET", CALLS_PATH)
            counts: list[dict[str, Any]] = json.load(connection.getresponse())
        finally:
            connection.close()
        return counts

    def check(self) -> None:
        """Raise if the emulator is no longer running."""
        if self._process.poll() is not None:
            said = (self.home / "emulator.log").read_text(errors="replace")[-4000:]
            raise EmulatorFailed(f"the emulator stopped with {self._process.returncode}:\n{said}")

    @property
    def process_group(self) -> int:
        """The group that the emulator's process and those of the functions are in."""
        return self._process.pid

    def peak_memory(self, function_name: str) -> int:
        """The most bytes that a living process of the function has held in memory (from /proc: Linux only)."""
        marked = f"AWS_LAMBDA_FUNCTION_NAME={function_name}".encode()
        peaks = [0]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if marked in (process / "environ").read_bytes().split(b"\0"):
                    status = (process / "status").read_text()
                    peaks.append(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
        return max(peaks)

    def stop(self) -> None:
        """End the emulator, every function's process, and remove its files. All state is in memory."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def _make(self, session: boto3.session.Session, service: str) -> Any:
        config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}, proxies={})
        return session.client(service, endpoint_url=self.url, config=config)
