"""The whole local world, started and stopped as one."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, NamedTuple

from sandbox import outside as outside_world
from sandbox.world import gateway
from sandbox.world.deploy import Stack, deploy
from sandbox.world.emulator import Emulator
from sandbox.world.local_routes import local_routes
from sandbox.world.schedules import Schedules
from sandbox.world.settings import Settings


class AwsCall(NamedTuple):
    """A kind of call to AWS: whose (a function's folder), to which service, which action."""

    function: str
    service: str
    action: str


class World:
    """A running world. `api` is the base URL that a client uses; `urls` are those of what is outside AWS."""

    stack: Stack
    outside: outside_world.Outside
    emulator: Emulator

    def __init__(self, settings: Settings, api: str) -> None:
        self.settings = settings
        self.api = api
        self.ready = False
        self._counted: Counter[AwsCall] = Counter()
        self._schedules = Schedules(self.aws)

    @classmethod
    @asynccontextmanager
    async def start(cls, settings: Settings) -> "AsyncIterator[World]":
        """Start everything; what has been started is stopped again, whatever happens."""
        listening = gateway.listen(settings.port)
        world = cls(settings, f"http://127.0.0.1:{listening.getsockname()[1]}")
        async with AsyncExitStack() as running:
            front = gateway.Front(local_routes(world))
            running.push_async_callback(front.stop)
            await front.serve(listening)
            world.emulator = Emulator.start(wait_scale=settings.wait_scale, recording=settings.recording)
            running.push_async_callback(asyncio.to_thread, world.emulator.stop)
            world.outside = await outside_world.start(
                outside_world.OutsideSettings(device_token=settings.device_token)
            )
            running.push_async_callback(world.outside.stop)
            world.stack = await asyncio.to_thread(world._deploy)
            front.open(f"{world.emulator.url}/_aws/execute-api/{world.stack.api_id}/$default")
            world.ready = True
            yield world
            world.ready = False

    @property
    def urls(self) -> outside_world.OutsideUrls:
        return self.outside.urls

    def status(self) -> dict[str, Any]:
        """What /_local/status tells."""
        return {
            "ready": self.ready,
            "api": self.api,
            "issuer": self.urls.issuer,
            "onerecord": self.settings.directory_url or self.urls.directory,
            "portals": self.urls.portals,
            "webhooks": self.settings.webhook_url or self.urls.webhooks,
            "app": f"{self.api}/app/",
            "control": self.urls.control,
        }

    def token(
        self,
        sub: str,
        *,
        scope: str | None = None,
        expires_in: float = 3600,
        claims: dict[str, Any] | None = None,
    ) -> str:
        """An access token of the app's identity provider for the user `sub`."""
        return self.outside.mint_token(sub, scope=scope, expires_in=expires_in, claims=claims)

    def aws(self, service: str) -> Any:
        """A boto3 client of the emulator, as the account's root."""
        return self.emulator.client(service)

    def fire_schedules(self) -> int:
        """Fires the stack's schedules that are due by the sandbox's clock; how many those were."""
        group = self.stack.physical_ids.get("KeepAliveGroup")
        return self._schedules.fire(group, self.outside.clock.now()) if group else 0

    def aws_calls(self) -> Counter[AwsCall]:
        """The calls that functions and workflows have made since `forget_aws_calls`, or since the start."""
        return self._all_calls() - self._counted

    def forget_aws_calls(self) -> None:
        """Count from here on."""
        self._counted = self._all_calls()

    def peak_memory(self, function: str) -> int:
        """The most bytes that a process of the function (by folder) has held in memory; 0 if none is alive."""
        logical = next(name for name, folder in self.stack.folders.items() if folder == function)
        return self.emulator.peak_memory(self.stack.physical_ids[logical])

    def _all_calls(self) -> Counter[AwsCall]:
        owners = self.stack.role_names()
        counts: Counter[AwsCall] = Counter()
        for call in self.emulator.calls():
            if call["role"] in owners:
                counts[AwsCall(owners[call["role"]], call["service"], call["action"])] += call["count"]
        return counts

    def _deploy(self) -> Stack:
        stack = deploy(self.aws, self.settings.template, self.settings.stack, self.parameters())
        if secret := stack.outputs.get("OneRecordSecretArn"):
            value = json.dumps({"deviceToken": self.settings.device_token})
            self.aws("secretsmanager").put_secret_value(SecretId=secret, SecretString=value)
        return stack

    def parameters(self) -> Mapping[str, str]:
        """The template's parameters: the sandbox's addresses, or what the settings put in their place."""
        settings, urls = self.settings, self.urls
        return {
            "DirectoryUrl": settings.directory_url or urls.directory,
            "IntegratorUrl": settings.integrator_url or urls.integrator,
            "RedirectorHosts": settings.redirector_hosts or urls.redirector.partition("://")[2],
            "JwtIssuer": urls.issuer,
            "ReturnUrls": ",".join(settings.allowed_return_urls(self.api)),
            "PublicBaseUrl": self.api,
            "AppOrigin": self.api,
            **({} if settings.poll_seconds is None else {"FirstPollSeconds": str(settings.poll_seconds)}),
            **settings.parameters,
        }


@contextmanager
def running_world(settings: Settings) -> Iterator[World]:
    """A world for code that is not asynchronous, such as a test's fixture: it runs on a thread of its own."""
    started: Future[tuple[World, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        over = asyncio.Event()
        try:
            async with World.start(settings) as world:
                started.set_result((world, asyncio.get_running_loop(), over))
                await over.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="local world")
    thread.start()
    world, loop, over = started.result()
    try:
        yield world
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
