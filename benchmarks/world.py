"""What the whole system takes, measured in the running local world: calls to AWS, memory, throughput.

    python -m benchmarks.world [megabytes ...]

The emulator, the functions and the stand-in for OneRecord share this machine: ratios and memory are telling,
megabytes a second are a floor.
"""

import re
import sys
import time
from collections import Counter
from urllib.parse import parse_qs, urlsplit

import httpx

from sandbox.browser import Browser
from sandbox.world.settings import Settings
from sandbox.world.world import AwsCall, World, running_world

PORTAL = "Epic New"
PATIENT = "maria.alvarez"
MEGABYTE = 1_000_000
_DURATION = re.compile(r"Duration: (\d+(?:\.\d+)?) ms")


def main(sizes: list[int]) -> None:
    """Prints the tables."""
    began = time.monotonic()
    with running_world(Settings(port=0, poll_seconds=1)) as world:
        print(f"\nStart to ready: {time.monotonic() - began:.1f} s\n")
        with httpx.Client(
            base_url=world.api,
            timeout=300,
            trust_env=False,
            headers={"Authorization": f"Bearer {world.token(PATIENT)}"},
        ) as app:
            world.forget_aws_calls()
            connection = _connect(world, app)
            _table("AWS calls of a connect (start, launch, callback, exchange)", world.aws_calls())
            world.forget_aws_calls()
            _retrieve(app, connection)
            _table(
                "AWS calls of an asynchronous retrieval (about 2,000 resources, 19 types)", world.aws_calls()
            )
            world.forget_aws_calls()
            app.post(
                f"/v1/connections/{connection}/records", json={"resources": ["Patient"]}
            ).raise_for_status()
            _table("AWS calls of records at once", world.aws_calls())
            _large(world, app, connection, sizes)


def _connect(world: World, app: httpx.Client) -> str:
    portal = world.outside.portal(name=PORTAL)
    home = f"{world.api}/app/"
    wanted = {"portalId": portal.id, "dataType": "clinical", "returnUrl": home}
    started = app.post("/v1/connections", json=wanted).raise_for_status().json()
    with Browser() as browser:
        back = browser.sign_in(started["authorizationUrl"], PATIENT, until=home)
    handle = parse_qs(urlsplit(back).fragment)["handle"][0]
    app.post(f"/v1/connections/{started['id']}/token", json={"handle": handle}).raise_for_status()
    return str(started["id"])


def _retrieve(app: httpx.Client, connection: str) -> int:
    """Runs one retrieval to its end; the number of resources."""
    path = f"/v1/connections/{connection}/records"
    accepted = app.post(path, headers={"Prefer": "respond-async"}).raise_for_status()
    status = urlsplit(accepted.headers["Content-Location"]).path
    while (answer := app.get(status)).status_code == 202:
        time.sleep(0.5)
    return sum(int(file["count"]) for file in answer.raise_for_status().json()["output"])


def _large(world: World, app: httpx.Client, connection: str, sizes: list[int]) -> None:
    portal = world.outside.portal(name=PORTAL)
    print("| result | resources | poll_retrieval | MB/s | peak resident memory |")
    print("|--|--|--|--|--|")
    for size in sizes:
        world.outside.set_scenario(portal.id, profile=f"huge-{size}", attachment_megabytes=5)
        resources = _retrieve(app, connection)
        seconds = _slowest(world)
        peak = world.peak_memory("poll_retrieval") / MEGABYTE
        print(f"| {size} MB | {resources:,} | {seconds:.1f} s | {size / seconds:.0f} | {peak:.0f} MB |")


def _slowest(world: World) -> float:
    """Seconds of the last invocation of poll_retrieval, which took the result in."""
    lines = httpx.get(
        f"{world.api}/_local/log", params={"function": "poll_retrieval"}, trust_env=False
    ).json()["lines"]
    found = [float(m[1]) for line in lines if (m := _DURATION.search(line["message"]))]
    return found[-1] / 1000


def _table(title: str, calls: Counter[AwsCall]) -> None:
    by_service: dict[str, Counter[str]] = {}
    for call, count in calls.items():
        by_service.setdefault(call.service, Counter())[call.action] += count
    print(f"{title}\n\n| service | calls | of which |\n|--|--|--|")
    for service, actions in sorted(by_service.items()):
        shown = ", ".join(f"{action} {count}" for action, count in sorted(actions.items()))
        print(f"| {service} | {sum(actions.values())} | {shown} |")
    print(flush=True)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [10, 100])
