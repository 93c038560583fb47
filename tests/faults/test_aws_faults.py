"""AWS in trouble, at every call of every function: what is told meanwhile, and that nothing is lost by it.

`throttled`: refused until the tries are used up. `down`: a server error. `unreachable`: no connection.
`answer-lost`: carried out, and no answer ever comes. `answer-lost-once`: the first answer does not come, and the
client's own second try finds the work done.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.adapters.faults import failing, refusing
from tests.faults.effects import NOWHERE
from tests.faults.ground import Ground
from tests.faults.points import EFFECTS
from tests.faults.scenes import SCENES

THROTTLED = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "kms": "ThrottlingException",
    "s3": "SlowDown",
    "secretsmanager": "ThrottlingException",
    "sqs": "RequestThrottled",
    "scheduler": "ThrottlingException",
    "stepfunctions": "ThrottlingException",
}
DOWN = {
    "dynamodb": "InternalServerError",
    "kms": "KMSInternalException",
    "s3": "InternalError",
    "secretsmanager": "InternalServiceError",
    "sqs": "InternalFailure",
    "scheduler": "InternalServerException",
    "stepfunctions": "ServiceUnavailableException",
}
LASTING = 10_000
WRITES = ("Put", "Update", "Delete", "Transact", "Send", "Create", "Start", "Stop", "Complete", "Upload")
BUSY = {"503 temporarily-unavailable", "0 StorageUnavailable", "0 again"}

# What an outage costs although everybody does what they can, and is told: a code that is used up while the
# database does not take the tokens that came for it; a browser whose binding is stored and whose cookie is lost.
COSTS = {
    ("exchange_token", "dynamodb.TransactWriteItems", "throttled"): "rejected",
    ("exchange_token", "dynamodb.TransactWriteItems", "down"): "rejected",
    ("exchange_token", "dynamodb.TransactWriteItems", "unreachable"): "rejected",
    ("launch_connection", "dynamodb.PutItem", "answer-lost"): "wrong_browser",
}


def cells() -> Iterator[object]:
    for name, effects in sorted(EFFECTS.items()):
        for effect in dict.fromkeys(effects):
            service, operation = effect.split(".")
            if service == "onerecord":
                continue
            kinds = ["throttled", "down", "unreachable"]
            if operation.startswith(WRITES):
                kinds += ["answer-lost", "answer-lost-once"]
            for kind in kinds:
                yield pytest.param(name, service, operation, kind, id=f"{name}/{effect}/{kind}")


def trouble(ground: Ground, service: str, operation: str, kind: str) -> AbstractContextManager[object]:
    match kind:
        case "throttled":
            status = 503 if service == "s3" else 400
            return failing(service, operation, THROTTLED[service], status=status, times=LASTING)
        case "down":
            return failing(service, operation, DOWN[service], status=500, times=LASTING)
        case "unreachable":
            return refusing(service, operation, EndpointConnectionError(endpoint_url=NOWHERE))
        case _:
            ground.effects.lose_answers(
                f"{service}.{operation}", 1 if kind == "answer-lost-once" else LASTING
            )
            return nullcontext()


@pytest.mark.parametrize(("name", "service", "operation", "kind"), list(cells()))
def test_trouble(ground: Ground, name: str, service: str, operation: str, kind: str) -> None:
    scene = SCENES[name](ground)
    with trouble(ground, service, operation, kind):
        told = scene.call()
    ground.effects.another_process()
    assert told.word not in ("internal", "Defect")
    # An upload that nobody knows of is left to the bucket's rule.
    scene.killed = kind.startswith("answer-lost") and operation.endswith("MultipartUpload")
    well = scene.done()
    if kind != "answer-lost-once":
        assert well or str(told) in BUSY or ground.effects.sent, f"told {told}"
    if not well:
        ground.later(1 + (told.retry_after or 0))
        scene.settle()
    done, reason = scene.done(), scene.reason()
    assert done != (reason is not None), f"{told} then {scene.last}: done {done}, reason {reason}"
    assert reason == COSTS.get((name, f"{service}.{operation}", kind)), f"{told} then {scene.last}: {reason}"
