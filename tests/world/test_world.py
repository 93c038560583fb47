"""A world as a whole: counted calls, updates, failures to start, and that it leaves nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.world import gateway
from sandbox.world.deploy import DeployFailed, deploy
from sandbox.world.emulator import ROOT, Emulator, EmulatorFailed
from sandbox.world.gateway import Front, PortInUse
from sandbox.world.packaging import PackagingError
from sandbox.world.settings import Settings
from sandbox.world.world import AwsCall, World, running_world
from tests.world.conftest import SMALL
from tests.world.deployed import Deployed
from tests.world.processes import members, wait_until_gone

RUN = (
    "import sys; from pathlib import Path; "
    "from sandbox.world import run; from sandbox.world.settings import Settings; "
    "Settings.from_environment = classmethod(lambda cls: Settings(port=0, template=Path(sys.argv[1]))); "
    "sys.exit(run.main())"
)


def test_the_calls_of_a_function_are_counted_by_service_and_action(world: World, patched: Deployed) -> None:
    patched.probe("put_item", id="counted")
    world.forget_aws_calls()
    patched.probe("put_item", id="counted")
    patched.probe("put_item", id="counted")
    patched.probe("data_key", table="small")
    patched.probe("put_object", key="counted.json")
    assert world.aws_calls() == {
        AwsCall("probe", "dynamodb", "PutItem"): 2,
        AwsCall("probe", "kms", "GenerateDataKey"): 1,
        AwsCall("probe", "s3", "PutObject"): 1,
    }


def test_a_refused_call_is_marked_as_refused(patched: Deployed) -> None:
    patched.probe("scan")
    refused = [call for call in patched.emulator.calls() if call["refused"] and call["action"] == "Scan"]
    assert [call["service"] for call in refused] == ["dynamodb"]


def test_the_memory_of_a_function_can_be_read(world: World, patched: Deployed) -> None:
    patched.probe("from_layer")
    assert 10_000_000 < world.peak_memory("probe") < 500_000_000


def test_another_onerecord_takes_the_place_of_the_sandbox(world: World) -> None:
    other = World(
        Settings(
            directory_url="http://127.0.0.1:9001",
            integrator_url="http://127.0.0.1:9002",
            redirector_hosts="127.0.0.1:9003",
            poll_seconds=0,
        ),
        world.api,
    )
    other.outside = world.outside
    assert other.parameters() == {
        "DirectoryUrl": "http://127.0.0.1:9001",
        "IntegratorUrl": "http://127.0.0.1:9002",
        "RedirectorHosts": "127.0.0.1:9003",
        "JwtIssuer": world.urls.issuer,
        "ReturnUrls": f"{world.api}/app/,{world.api}/app/return",
        "PublicBaseUrl": world.api,
        "AppOrigin": world.api,
        "FirstPollSeconds": "0",
    }
    assert other.status()["onerecord"] == "http://127.0.0.1:9001"


def test_a_changed_function_is_deployed_over_the_old_one(world: World, tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    source = SMALL.read_text()
    for name in ("functions", "layer", "statemachines"):
        (tmp_path / name).symlink_to(SMALL.parent / name)
    template.write_text(source)
    stack = deploy(world.aws, template, "updated", {})
    template.write_text(source.replace("Path: /open, ", "Path: /open/and/new, "))
    again = deploy(world.aws, template, "updated", {})
    assert again.api_id == stack.api_id
    keys = {route["RouteKey"] for route in world.aws("apigatewayv2").get_routes(ApiId=stack.api_id)["Items"]}
    assert keys == {"ANY /guarded/{proxy+}", "ANY /open/{proxy+}", "GET /open/and/new"}


def test_deploying_the_same_again_changes_nothing(world: World) -> None:
    again = deploy(world.aws, SMALL, world.stack.name, world.parameters())
    assert again.physical_ids == world.stack.physical_ids


def test_a_template_that_names_what_is_not_there_says_so(world: World, tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(SMALL.read_text())
    with pytest.raises(PackagingError, match="there is no "):
        deploy(world.aws, template, "incomplete", {})


def test_a_stack_that_fails_names_the_resource_and_the_reason(world: World, tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(
        "Resources:\n  Wrong:\n    Type: AWS::Lambda::Function\n"
        "    Properties: {FunctionName: x, Role: y, Runtime: python3.13, Handler: h.h,"
        " Layers: ['arn:aws:lambda:us-east-1:000000000000:layer:none:1'], Code: {ZipFile: 'x'}}\n"
    )
    with pytest.raises(DeployFailed, match=r"Wrong \(AWS::Lambda::Function\): "):
        deploy(world.aws, template, "wrong", {})


def test_a_front_that_is_not_open_yet_answers_503() -> None:
    async def ask() -> tuple[int, object]:
        listening = gateway.listen(0)
        front = Front([])
        await front.serve(listening)
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(f"http://127.0.0.1:{listening.getsockname()[1]}/v1/connections")
                return answer.status_code, answer.json()
        finally:
            await front.stop()

    assert asyncio.run(ask()) == (503, {"ready": False})


def test_a_port_that_is_taken_is_told_plainly() -> None:
    with gateway.listen(0) as taken, pytest.raises(PortInUse, match="set PORT"):
        gateway.listen(taken.getsockname()[1])


def test_a_world_that_cannot_start_leaves_nothing(tmp_path: Path) -> None:
    before = set(members(os.getpgrp()))
    with pytest.raises(PackagingError), running_world(Settings(port=0, template=_incomplete(tmp_path))):
        pass
    assert set(members(os.getpgrp())) <= before


def _incomplete(folder: Path) -> Path:
    template = folder / "template.yaml"
    template.write_text(SMALL.read_text())
    return template


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    """`python -m sandbox run`, but for the smallest stack on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(SMALL)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _api(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip().startswith("API "):
            return line.split()[1]
    raise AssertionError("it has not started")


def _emulator_of(pid: int) -> int:
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        if text := child.read_text().split():
            return int(text[0])
    raise AssertionError("it has no child")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_world_leaves_nothing_running(
    running: subprocess.Popen[str], number: signal.Signals
) -> None:
    api = _api(running)
    assert httpx.get(f"{api}/open", trust_env=False).status_code == 200
    emulator = _emulator_of(running.pid)
    home = _home_of(emulator)
    assert len(members(emulator)) >= 2, "the emulator and a function"
    running.send_signal(number)
    assert running.wait(timeout=10) == 0
    assert not members(emulator)
    assert not home.exists()


def test_even_a_killed_world_leaves_nothing_running(running: subprocess.Popen[str]) -> None:
    api = _api(running)
    assert httpx.get(f"{api}/open", trust_env=False).status_code == 200
    emulator = _emulator_of(running.pid)
    home = _home_of(emulator)
    running.kill()
    assert wait_until_gone(emulator)
    assert not home.exists()


def test_ctrl_c_during_the_start_stops_it(running: subprocess.Popen[str]) -> None:
    assert running.stdout is not None
    assert "starting" in running.stdout.readline()
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=10) == 0


def _home_of(emulator: int) -> Path:
    command = Path(f"/proc/{emulator}/cmdline").read_text().split("\0")
    return Path(command[command.index("sandbox.world.emulator_server") + 2])


def test_an_emulator_without_the_lambda_runtime_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EmulatorFailed, match="make setup"):
        Emulator.start(runtime_dir=tmp_path)


def test_an_emulator_that_is_stopped_is_gone_with_its_files() -> None:
    emulator = Emulator.start()
    group, home = emulator.process_group, emulator.home
    emulator.client("sts").get_caller_identity()
    emulator.stop()
    assert not members(group)
    assert not home.exists()
