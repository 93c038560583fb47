"""What happens in a history: drawn from a seed, weighted towards what hurts.

Uniform choices rarely meet the few moments that matter (a reply in hand that is not stored yet, a lease about
to end), so times, crashes and troubles cluster there.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from random import Random

from tests.protocols.portal import Rotation


class Kind(StrEnum):
    """What an event is."""

    USE = "use"
    FETCH = "fetch"
    KEEP_ALIVE = "keep alive"
    DELETE = "delete"
    RECONNECT = "reconnect"
    REVOKE = "revoke"
    EXPIRE = "expire"
    DATABASE_DOWN = "database down"
    QUEUE_DOWN = "queue down"
    KEYS_DOWN = "keys down"
    DEVICE_DEAD = "device dead"


class Weather(Enum):
    """What else goes wrong, beside the events."""

    CALM = "nothing"
    SLOW = "AWS and the vendor take their time"
    LATE = "the queue is late"
    ROUGH = "everything may"


@dataclass(frozen=True, slots=True)
class Event:
    """Somebody comes, or something breaks for `seconds`. What is drawn on its way comes from its own seed."""

    at: float
    kind: Kind
    seed: int
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A history before it is played. Rates are chances for each effect of each worker."""

    rotation: Rotation
    life: float
    tells_life: bool
    age: float
    omits_refresh: bool
    skew: float
    vendor_trouble: float
    aws_trouble: float
    slow: float
    crashes: float
    late_messages: float
    events: tuple[Event, ...]


ROTATIONS = (
    *[Rotation.STATIC] * 2,
    *[Rotation.SAME] * 4,
    Rotation.BRANCH,
    *[Rotation.LATEST] * 2,
    *[Rotation.STRICT] * 6,
    *[Rotation.FAMILY] * 6,
)
WEATHERS = (*[Weather.CALM] * 7, *[Weather.SLOW] * 2, *[Weather.LATE] * 2, *[Weather.ROUGH] * 9)
LIVES = (300.0, 3600.0, 3600.0, 3600.0)
# Of the token's life: about to be refreshed, over, or in its first half.
AGES = (0.9, 0.9, 1.1, 1.1, 1.1, 1.1, 0.2)
COMERS = (*[Kind.USE] * 5, *[Kind.FETCH] * 3, *[Kind.KEEP_ALIVE] * 2)
MISHAPS = (
    *[Kind.DATABASE_DOWN] * 6,
    *[Kind.DELETE] * 3,
    *[Kind.RECONNECT] * 3,
    *[Kind.DEVICE_DEAD] * 2,
    Kind.QUEUE_DOWN,
    Kind.KEYS_DOWN,
    Kind.REVOKE,
    Kind.EXPIRE,
)


def plan(seed: int) -> Plan:
    """The plan of a seed."""
    random = Random(seed)
    draw, pick = random.random, random.choice
    events = []
    # Many faults at once excuse a loss: where it is calm, each has to be borne alone.
    weather = pick(WEATHERS)
    calm, rough = weather is Weather.CALM, weather is Weather.ROUGH
    for _ in range(pick((1, 2, 2, 3, 3, 4, 6))):
        events.append(Event(_moment(random), pick(COMERS), random.getrandbits(32)))
    for _ in range(1 if calm or weather is Weather.LATE else pick((0, 0, 1, 1, 2))):
        kind = pick(MISHAPS)
        at = pick(events).at + 1.5 * draw() if draw() < 0.5 else _moment(random)
        seconds = 60 + 120 * draw() if kind is Kind.DEVICE_DEAD else pick((3, 8, 20, 40, 60)) * (0.5 + draw())
        events.append(Event(at, kind, random.getrandbits(32), seconds))
        if kind in (Kind.DEVICE_DEAD, Kind.DATABASE_DOWN) and draw() < 0.5:
            # Somebody whose request the end of it overtakes.
            events.append(Event(at + seconds - 0.5 * draw(), pick(COMERS), random.getrandbits(32)))
    return Plan(
        rotation=pick(ROTATIONS),
        life=pick(LIVES),
        tells_life=draw() < 0.95,
        age=pick(AGES),
        omits_refresh=draw() < 0.3,
        skew=pick((0.05, 0.05, 1.0)),
        vendor_trouble=pick((0.15, 0.3, 0.6, 0.0)) if rough else 0.0,
        aws_trouble=pick((0.0, 0.0, 0.05, 0.2)) if rough else 0.0,
        slow=0.5 if weather is Weather.SLOW else pick((0.0, 0.0, 0.0, 0.15)) if rough else 0.0,
        crashes=pick((0.0, 0.25, 0.6)) if rough else 0.0,
        late_messages=0.6 if weather is Weather.LATE else pick((0.0, 0.0, 0.3)) if rough else 0.0,
        events=tuple(sorted(events, key=lambda event: event.at)),
    )


def _moment(random: Random) -> float:
    """Together at the start, around the end of a lease, or any time."""
    draw = random.random()
    if draw < 0.6:
        return 2 * random.random()
    if draw < 0.85:
        return 30 + 12 * random.random()
    return 130 * random.random()
