"""Each threat of docs/security.md has its test here, and none is skipped."""

import ast
import re
from pathlib import Path

THREATS = {f"t{number:02}" for number in range(1, 35)}
DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"


def functions() -> list[ast.FunctionDef]:
    parsed = [ast.parse(path.read_text()) for path in Path(__file__).parent.glob("test_*.py")]
    return [node for tree in parsed for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_each_of_the_34_threats_has_a_test_and_no_test_is_skipped() -> None:
    named = {found[1] for test in functions() if (found := re.match(r"test_(t\d\d)_", test.name))}
    assert named == THREATS
    marks = [ast.unparse(mark) for test in functions() for mark in test.decorator_list]
    assert not [mark for mark in marks if "skip" in mark or "xfail" in mark]


def test_the_documents_name_the_same_threats() -> None:
    listed = re.findall(r"^\| (T\d\d) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert [name.lower() for name in listed] == sorted(THREATS)
