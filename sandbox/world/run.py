"""`python -m sandbox run`: start the world, say where it is, stay until told to stop."""

import asyncio
import contextlib
import signal
import sys
import time

from sandbox.world.deploy import DeployFailed
from sandbox.world.emulator import EmulatorFailed
from sandbox.world.gateway import PortInUse
from sandbox.world.packaging import PackagingError
from sandbox.world.settings import Settings, SettingsError
from sandbox.world.world import World

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run until SIGINT, SIGTERM or SIGHUP: 0 then, 1 if it could not start, 2 if a setting is wrong."""
    try:
        return asyncio.run(_run(Settings.from_environment()))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except (PortInUse, DeployFailed, EmulatorFailed, PackagingError) as error:
        print(error, file=sys.stderr)
        return 1


async def _run(settings: Settings) -> int:
    began = time.monotonic()
    over = asyncio.Event()
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    print("Portico is starting, with everything around it, on this machine alone.", flush=True)
    life = asyncio.create_task(_live(settings, began))
    stopped = asyncio.create_task(over.wait())
    await asyncio.wait((life, stopped), return_when=asyncio.FIRST_COMPLETED)
    if over.is_set():
        life.cancel()
    stopped.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await life
    print("Stopped; nothing is left running.", flush=True)
    return 0


async def _live(settings: Settings, began: float) -> None:
    async with World.start(settings) as world:
        print(greeting(world, time.monotonic() - began), flush=True)
        await asyncio.Event().wait()


def greeting(world: World, seconds: float) -> str:
    """Where everything is, and a request to try."""
    onerecord = world.status()["onerecord"]
    sandboxed = "" if world.settings.directory_url else "  (sandbox)"
    return f"""
Ready in {seconds:.1f} s.

  patient app     {world.api}/app/
  API             {world.api}
  identity        {world.urls.issuer}
  OneRecord       {onerecord}{sandboxed}
  portals         {world.urls.portals}
  webhooks        {world.urls.webhooks}
  sandbox control {world.urls.control}
  status          {world.api}/_local/status

Try it:

  TOKEN=$(curl -s {world.api}/_local/token -d '{{"sub": "alice"}}' | cut -d'"' -f4)
  curl -s -H "Authorization: Bearer $TOKEN" '{world.api}/v1/portals/clinical?q=clinic&limit=3'

Ctrl-C stops everything.
"""
