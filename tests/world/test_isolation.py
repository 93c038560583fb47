"""No AWS account, profile or proxy of the user is ever touched, and nothing listens beyond loopback."""

import os
import socket
from pathlib import Path

import pytest

from sandbox.world.emulator import Credentials, isolated_environment, isolated_session
from sandbox.world.world import World
from tests.world.conftest import SOMEBODYS_CONFIGURATION
from tests.world.deployed import Deployed
from tests.world.processes import listening_addresses, members


def test_nothing_of_the_users_configuration_passes(tmp_path: Path) -> None:
    passed = isolated_environment(tmp_path, os.environ | SOMEBODYS_CONFIGURATION)
    values = set(passed.values())
    assert not values & set(SOMEBODYS_CONFIGURATION.values())
    assert {name for name in passed if name.startswith("AWS_")} == {
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_EC2_METADATA_DISABLED",
    }
    assert passed["HOME"] == str(tmp_path)


def test_a_client_ignores_profiles_and_keys_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configuration = tmp_path / "config"
    configuration.write_text(
        "[profile production]\nregion = eu-central-1\nendpoint_url = https://example.com\n"
    )
    for name, value in (SOMEBODYS_CONFIGURATION | {"AWS_CONFIG_FILE": str(configuration)}).items():
        monkeypatch.setenv(name, value)
    session = isolated_session(Credentials())
    credentials = session.get_credentials()
    assert (credentials.access_key, credentials.secret_key, credentials.token) == ("test", "test", None)
    assert session.region_name == "us-east-1"


def test_every_client_of_a_world_speaks_to_loopback(world: World) -> None:
    for service in ("s3", "dynamodb", "kms", "sts", "events", "secretsmanager", "stepfunctions"):
        assert world.aws(service).meta.endpoint_url == world.emulator.url


def test_every_client_of_a_function_speaks_to_loopback(patched: Deployed) -> None:
    assert set(patched.probe("service_hosts")) == {patched.emulator.url}


def test_a_function_has_no_keys_but_those_of_its_role(patched: Deployed) -> None:
    seen = patched.probe("environment")
    assert not set(seen.values()) & set(SOMEBODYS_CONFIGURATION.values())
    assert seen["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert {seen["AWS_CONFIG_FILE"], seen["AWS_SHARED_CREDENTIALS_FILE"]} == {os.devnull}
    assert seen["AWS_ENDPOINT_URL"] == patched.emulator.url


def test_the_keys_of_the_emulator_open_nothing_elsewhere() -> None:
    assert (Credentials().access_key, Credentials().secret_key) == ("test", "test")


def test_nothing_listens_beyond_loopback(patched: Deployed) -> None:
    patched.probe("undeclared")
    pids = [os.getpid(), *members(patched.emulator.process_group)]
    assert len(pids) >= 3, "this process, the emulator, a function"
    addresses = listening_addresses(pids)
    assert addresses
    assert all(address.startswith("127.") for address in addresses), addresses


def test_the_emulator_has_one_port_beside_those_of_its_functions(patched: Deployed) -> None:
    port = int(patched.emulator.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", 8883), timeout=1)
