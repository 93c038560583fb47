"""Request bodies: every field known, typed and given once, and nothing of a wrong one repeated."""

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.body import LARGEST_BODY, fields_of
from portico.errors import InvalidRequest

KNOWN: dict[str, type] = {"handle": str, "resources": list, "params": dict, "flag": bool}


def read(body: str | None, *, is_base64: bool = False, required: tuple[str, ...] = ()) -> dict[str, Any]:
    return fields_of(body, is_base64, KNOWN, required)


def refused(body: str | None, **how: Any) -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as error:
        read(body, **how)
    return error.value.field, error.value.problem


WHOLE: dict[str, Any] = {"handle": "é 🩺", "resources": ["Labs"], "params": {"a": 1}, "flag": False}


def test_a_body_of_known_fields_is_read_as_it_is() -> None:
    assert read(json.dumps(WHOLE)) == WHOLE


def test_a_base64_body_is_read_as_it_is() -> None:
    assert read(b64encode(json.dumps(WHOLE).encode()).decode(), is_base64=True) == WHOLE


@pytest.mark.parametrize("body", [None, "", "  \n"])
def test_no_body_is_an_empty_object(body: str | None) -> None:
    assert read(body) == {}


def test_a_required_field_is_required() -> None:
    assert refused(None, required=("handle",)) == ("handle", "is required")


@pytest.mark.parametrize("body", ["[]", "null", "7", '"text"', "true"])
def test_only_an_object_will_do(body: str) -> None:
    assert refused(body) == ("body", "must be a JSON object")


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "not json",
        "{'handle':'x'}",
        '{"handle":"x",}',
        '{"params":{"a":NaN}}',
        '{"params":{"a":Infinity}}',
        '{"params":{"a":-Infinity}}',
        '{"params":{"a":' + "9" * 5000 + "}}",
        '{"handle":"\\ud800"}',
        '{"resources":["\\udfff"]}',
        '{"params":{"\\ud83e":1}}',
        '{"handle":"x"} {}',
    ],
)
def test_what_is_not_json_that_can_be_passed_on_is_refused(body: str) -> None:
    assert refused(body) == ("body", "must be valid JSON")


@pytest.mark.parametrize("body", ["%", "a", "e30=====x", b64encode(b"\xff\xfe{").decode()])
def test_bad_base64_or_bad_utf_8_is_refused(body: str) -> None:
    assert refused(body, is_base64=True) == ("body", "must be valid JSON")


def test_a_body_of_64_kb_is_read_and_a_byte_more_is_refused() -> None:
    frame = len('{"handle":""}')
    longest = "x" * (LARGEST_BODY - frame)
    assert read(json.dumps({"handle": longest}, separators=(",", ":"))) == {"handle": longest}
    assert refused(json.dumps({"handle": longest + "x"}, separators=(",", ":"))) == (
        "body",
        "must be at most 64 KB",
    )


def test_a_field_that_nobody_knows_is_named() -> None:
    assert refused('{"handel":"x"}') == ("handel", "is not a field of this request")


def test_a_field_given_twice_is_named_at_any_depth() -> None:
    assert refused('{"handle":"x","handle":"x"}') == ("handle", "is given twice")
    assert refused('{"params":{"fromTime":1,"fromTime":2}}') == ("fromTime", "is given twice")


@pytest.mark.parametrize("name", ["<script>", "a b", "x" * 41, "é", "", "a-b", "a\\nb"])
def test_a_name_that_is_not_tame_is_not_repeated(name: str) -> None:
    assert refused(json.dumps({name: 1})) == ("body", "is not a field of this request")
    assert refused('{"%s":1,"%s":2}' % (name, name))[0] == "body"  # noqa: UP031


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ('{"handle":7}', "handle", "must be a string"),
        ('{"handle":null}', "handle", "must be a string"),
        ('{"handle":["x"]}', "handle", "must be a string"),
        ('{"resources":"Labs"}', "resources", "must be an array"),
        ('{"params":[]}', "params", "must be an object"),
        ('{"flag":1}', "flag", "must be true or false"),
        ('{"flag":"true"}', "flag", "must be true or false"),
        ('{"handle":true}', "handle", "must be a string"),
    ],
)
def test_a_mistyped_field_is_named_with_its_type(body: str, field: str, problem: str) -> None:
    assert refused(body) == (field, problem)


@settings(max_examples=60)
@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")), st.booleans())
def test_any_text_at_all_is_read_or_refused(body: str, is_base64: bool) -> None:
    try:
        read(body, is_base64=is_base64)
    except InvalidRequest as error:
        assert error.field in {"body", *KNOWN} or error.field.isidentifier()
