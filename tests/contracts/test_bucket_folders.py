"""The two folders of the results bucket: results go with their retention, tombstones outlive every backup."""

from pathlib import Path
from typing import Any

import pytest

from portico.adapters.tombstones import TOMBSTONES
from portico.retrieval import RESULTS
from sandbox.world.template import load

ROOT = Path(__file__).parents[2]
POINT_IN_TIME_RECOVERY_DAYS = 35
Json = dict[str, Any]


def expiring(resources: Json) -> dict[str, Any]:
    """The bucket's expiry rules: folder -> days."""
    rules = resources["ResultsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    return {rule.get("Prefix", ""): rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}


def outlive_backups(resources: Json) -> bool:
    days = expiring(resources)
    return (
        set(days) == {f"{RESULTS}/", f"{TOMBSTONES}/"}
        and days[f"{RESULTS}/"] == {"Ref": "ResultsRetentionDays"}
        and days[f"{TOMBSTONES}/"] > 10 * POINT_IN_TIME_RECOVERY_DAYS
    )


@pytest.fixture
def resources() -> Json:
    found: Json = load(ROOT / "template.yaml")["Resources"]
    return found


def test_results_go_with_their_retention_and_tombstones_outlive_every_backup(resources: Json) -> None:
    assert outlive_backups(resources)


@pytest.mark.parametrize("change", [{"Prefix": ""}, {"Prefix": "tombstones/", "ExpirationInDays": 35}])
def test_a_rule_that_reaches_tombstones_too_early_is_noticed(resources: Json, change: Json) -> None:
    rules = resources["ResultsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    next(rule for rule in rules if rule.get("Prefix") == f"{TOMBSTONES}/").update(change)
    assert not outlive_backups(resources)
