"""Schedules that fall due when the sandbox's clock is moved.

The emulator fires schedules by real time. Whoever moves the clock by days wants those to have happened that lie
in between: each schedule of the stack whose time has come is fired once, its input put on its queue. The
emulator's own firing goes on beside it, as EventBridge Scheduler promises at least one.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}


class Schedules:
    """The schedules of a world; remembers when each was last due."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client
        self._fired: dict[str, float] = {}

    def fire(self, group: str, now: float) -> int:
        """Fires what is due in a group by the sandbox's time; how many those were."""
        count = 0
        for schedule in self._of(group):
            period = _period(schedule["ScheduleExpression"])
            start = schedule.get("StartDate") or datetime.fromtimestamp(now, UTC)
            last = self._fired.get(schedule["Name"], start.timestamp() - period)
            if now >= last + period and now >= start.timestamp() and schedule["State"] == "ENABLED":
                self._fired[schedule["Name"]] = now
                self._send(schedule["Target"])
                count += 1
        return count

    def _of(self, group: str) -> Iterator[Any]:
        scheduler = self._client("scheduler")
        for page in scheduler.get_paginator("list_schedules").paginate(GroupName=group):
            for row in page["Schedules"]:
                yield scheduler.get_schedule(GroupName=group, Name=row["Name"])

    def _send(self, target: Any) -> None:
        queue = target["Arn"].rpartition(":")[2]
        sqs = self._client("sqs")
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody=target["Input"])


def _period(expression: str) -> int:
    found = _RATE.fullmatch(expression)
    if found is None:
        raise ValueError(f"the schedule expression {expression} is not carried out locally")
    return int(found[1]) * _SECONDS[found[2]]
