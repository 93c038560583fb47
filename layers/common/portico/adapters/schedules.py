"""EventBridge Scheduler: one schedule a connection keeps idle refresh tokens alive."""

import json
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from portico.adapters import aws

# Spread over hours: a million connections do not wake up in the same second.
WINDOW_MINUTES = 240


class KeepAliveSchedules:
    """Schedules in one group; each is named after its connection and puts a message on the refresh queue."""

    def __init__(self, group: str, queue_arn: str, role_arn: str) -> None:
        self._group, self._queue_arn, self._role_arn = group, queue_arn, role_arn

    def schedule(self, connection_id: str) -> None:
        """From tomorrow on, daily. Raises StorageUnavailable."""
        tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        try:
            with aws.errors():
                aws.client("scheduler").create_schedule(
                    Name=connection_id,
                    GroupName=self._group,
                    ScheduleExpression="rate(1 day)",
                    StartDate=tomorrow,
                    FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": WINDOW_MINUTES},
                    Target={
                        "Arn": self._queue_arn,
                        "RoleArn": self._role_arn,
                        "Input": json.dumps({"kind": "keep-alive", "connectionId": connection_id}),
                    },
                )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ConflictException":
                raise

    def cancel(self, connection_id: str) -> None:
        """No longer. Raises StorageUnavailable."""
        try:
            with aws.errors():
                aws.client("scheduler").delete_schedule(Name=connection_id, GroupName=self._group)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ResourceNotFoundException":
                raise
