"""What this deployment is made of: settings turned into stores, the vendor and the workflow.

Each function imports what it makes, so that a Lambda function loads only what it uses.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from portico import config

if TYPE_CHECKING:
    from portico.adapters.attempts_table import AttemptsTable
    from portico.adapters.connections_table import ConnectionsTable
    from portico.adapters.kms_sealer import KmsSealer
    from portico.adapters.onerecord import OneRecord, OneRecordDirectory, OneRecordIntegrator
    from portico.adapters.refresh_queue import RefreshQueue
    from portico.adapters.results_bucket import ResultsBucket
    from portico.adapters.retrievals_table import RetrievalsTable
    from portico.adapters.schedules import KeepAliveSchedules
    from portico.adapters.tombstones import TombstoneFolder
    from portico.adapters.workflow import Workflow
    from portico.connection import Connection
    from portico.disconnection import Discarding, Disconnector
    from portico.exchange import Verify
    from portico.refresh import Refresher
    from portico.tokens import Tokens

clock = time.time
random = secrets.token_bytes
sleep = time.sleep


def sealer() -> KmsSealer:
    """Seals under the tokens key, and opens what the one before had sealed if this deployment names it."""
    from portico.adapters.kms_sealer import KmsSealer

    return KmsSealer(config.required("TOKENS_KEY"), config.optional("PREVIOUS_TOKENS_KEY") or None)


def attempts() -> AttemptsTable:
    """The attempts table."""
    from portico.adapters.attempts_table import AttemptsTable

    return AttemptsTable(config.required("ATTEMPTS_TABLE"), clock)


def connections() -> ConnectionsTable:
    """The connections table."""
    from portico.adapters.connections_table import ConnectionsTable

    return ConnectionsTable(config.required("CONNECTIONS_TABLE"), attempts())


def retrievals() -> RetrievalsTable:
    """The retrievals table."""
    from portico.adapters.retrievals_table import RetrievalsTable

    return RetrievalsTable(
        config.required("RETRIEVALS_TABLE"), connections(), clock, config.retention_seconds()
    )


def results() -> ResultsBucket:
    """The results bucket."""
    from portico.adapters.results_bucket import ResultsBucket

    return ResultsBucket(config.required("RESULTS_BUCKET"), random)


def tombstones() -> TombstoneFolder:
    """What remembers deletions."""
    from portico.adapters.tombstones import TombstoneFolder

    return TombstoneFolder(config.required("RESULTS_BUCKET"))


def workflow() -> Workflow:
    """The retrieval workflow."""
    from portico.adapters.workflow import Workflow

    return Workflow(config.required("STATE_MACHINE"))


def discarding() -> Discarding:
    """Removes retrievals."""
    from portico.disconnection import Discarding

    return Discarding(retrievals(), results(), workflow())


def disconnector() -> Disconnector:
    """Deletes connections."""
    from portico.disconnection import Disconnector

    return Disconnector(connections(), attempts(), discarding(), keep_alive(), clock, tombstones())


def onerecord() -> OneRecord:
    """HTTP to the vendor."""
    from portico.adapters.device_secret import DeviceSecret
    from portico.adapters.onerecord import OneRecord

    return OneRecord(DeviceSecret(config.required("ONERECORD_SECRET")))


def directory() -> OneRecordDirectory:
    """The vendor's directory."""
    from portico.adapters.onerecord import OneRecordDirectory

    return OneRecordDirectory(onerecord(), config.required("DIRECTORY_URL"), config.redirectors())


def integrator() -> OneRecordIntegrator:
    """The vendor's integrator."""
    from portico.adapters.onerecord import OneRecordIntegrator

    return OneRecordIntegrator(
        onerecord(), config.required("INTEGRATOR_URL"), config.required("DIRECTORY_URL")
    )


def refresher(integrator: OneRecordIntegrator) -> Refresher:
    """Keeps tokens fresh."""
    from portico.refresh import Refresher

    return Refresher(connections(), integrator, sealer(), refresh_queue(), clock, sleep)


def identity_check(integrator: OneRecordIntegrator, claims: Mapping[str, Any]) -> Verify | None:
    """Compares a new connection's patient with the app user's claims, if this deployment wants that."""
    if config.optional("IDENTITY_CHECK") != "match":
        return None
    from portico.identity import Identity, IdentityCheck

    check, identity = IdentityCheck(connections(), integrator), Identity.of(claims)

    def verify(connection: Connection, tokens: Tokens) -> str | None:
        return check.verify(connection, tokens, identity)

    return verify


def refresh_queue() -> RefreshQueue:
    """The queue that outlives a refreshing function."""
    from portico.adapters.refresh_queue import RefreshQueue

    return RefreshQueue(config.required("REFRESH_QUEUE"))


def keep_alive() -> KeepAliveSchedules:
    """The schedules that keep idle connections alive."""
    from portico.adapters.schedules import KeepAliveSchedules

    return KeepAliveSchedules(
        config.required("SCHEDULE_GROUP"),
        config.required("REFRESH_QUEUE_ARN"),
        config.required("SCHEDULER_ROLE"),
    )
