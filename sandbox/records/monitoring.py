"""Readings between visits (home cuff, glucose meter, dialysis machine), used to fill a chart to its size."""

from datetime import date, timedelta
from typing import Any

from sandbox.records import readings
from sandbox.records.draft import Draft
from sandbox.records.story import AS_OF


def fill(draft: Draft, size: int) -> None:
    """Sessions from the newest back until the chart holds exactly `size` resources, or to birth."""
    born = date.fromisoformat(draft.patient.birth_date)
    day = AS_OF - timedelta(days=1)
    device: dict[str, Any] = {
        "device": {"display": draft.story.monitoring.device},
        "performer": [draft.subject],
    }
    while len(draft.resources) < size and day > born:
        _session(draft, day, size, device)
        day -= timedelta(days=draft.story.monitoring.every_days)
        # Three sessions a week, not every other day: nobody is dialysed on a Sunday.
        if draft.story.monitoring.every_days > 1 and day.weekday() == 6:
            day -= timedelta(days=1)


def _session(draft: Draft, day: date, size: int, device: dict[str, Any]) -> None:
    taken: readings.Taken = {}
    for minute, keys in draft.story.monitoring.checks:
        for key in keys:
            if len(draft.resources) < size:
                readings.vital(draft, key, day, minute + draft.random.randrange(6), taken, device)
