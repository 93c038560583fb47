"""What the functions have logged, read from CloudWatch Logs."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sandbox.world.deploy import Stack

Line = dict[str, str]


def read_log(aws: Callable[[str], Any], stack: Stack, function: str | None, since: float) -> list[Line]:
    """The lines of one function (by folder or logical id) or of all, since an epoch second, by time."""
    lines: list[tuple[int, Line]] = []
    for logical, folder in stack.folders.items():
        if function not in (None, logical, folder) or logical not in stack.physical_ids:
            continue
        for event in _events(aws, stack.physical_ids[logical], since):
            moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC).isoformat(timespec="milliseconds")
            line = {"function": folder, "time": moment.replace("+00:00", "Z"), "message": event["message"]}
            lines.append((event["timestamp"], line))
    return [line for _, line in sorted(lines, key=lambda pair: pair[0])]


def _events(aws: Callable[[str], Any], function_name: str, since: float) -> list[Any]:
    settings = aws("lambda").get_function_configuration(FunctionName=function_name)
    group = settings.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function_name}"
    logs = aws("logs")
    try:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=int(since * 1000)
        )
        return [event for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:  # it has not run yet
        return []
