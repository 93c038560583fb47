"""One stem everywhere: a function's folder, its logical id, its log group, its events and its tests."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.world.packaging import folders
from sandbox.world.template import load

ROOT = Path(__file__).parents[2]
TEMPLATE: dict[str, Any] = load(ROOT / "template.yaml")
STEMS = sorted(path.parent.name for path in ROOT.glob("functions/*/handler.py"))


def pascal(stem: str) -> str:
    return "".join(word.capitalize() for word in stem.split("_"))


def test_folders_and_template_name_the_same_functions() -> None:
    assert folders(TEMPLATE) == {f"{pascal(stem)}Function": stem for stem in STEMS}


@pytest.mark.parametrize("stem", STEMS)
def test_a_function_is_named_verb_noun(stem: str) -> None:
    assert len(stem.split("_")) == 2


@pytest.mark.parametrize("stem", STEMS)
def test_a_function_has_a_log_group_of_its_own(stem: str) -> None:
    properties = TEMPLATE["Resources"][f"{pascal(stem)}Function"]["Properties"]
    assert properties["LoggingConfig"]["LogGroup"] == {"Ref": f"{pascal(stem)}Logs"}
    assert TEMPLATE["Resources"][f"{pascal(stem)}Logs"]["Type"] == "AWS::Logs::LogGroup"


@pytest.mark.parametrize("stem", STEMS)
def test_a_function_has_events_and_tests(stem: str) -> None:
    assert list(ROOT.glob(f"events/{stem}/*.json"))
    assert (ROOT / "tests" / "functions" / f"test_{stem}.py").is_file()


@pytest.mark.parametrize("stem", STEMS)
def test_a_handler_fits_on_a_screen(stem: str) -> None:
    assert len((ROOT / "functions" / stem / "handler.py").read_text().splitlines()) <= 60


def test_there_are_no_events_or_tests_of_functions_that_do_not_exist() -> None:
    assert {path.parent.name for path in ROOT.glob("events/*/*.json")} == set(STEMS)
    tests = {path.stem.removeprefix("test_") for path in ROOT.glob("tests/functions/test_*.py")}
    assert tests == set(STEMS)


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("events/*/*.json")), ids=lambda p: f"{p.parent.name}/{p.stem}"
)
def test_an_event_is_an_object_without_anything_real_in_it(path: Path) -> None:
    assert isinstance(json.loads(path.read_text()), dict)
    assert "127.0.0.1:" not in path.read_text()
