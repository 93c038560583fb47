"""What becomes of a template before it is deployed."""

import io
import zipfile
from pathlib import Path

import pytest

from sandbox.world import packaging, template
from sandbox.world.emulator import ROOT
from sandbox.world.packaging import package
from sandbox.world.template import Unresolved, resolve

SMALL = Path(__file__).parent / "small_stack" / "template.yaml"


def test_a_template_is_read_as_cloudformation_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(
        "A: !Ref B\nC: !GetAtt D.E.F\nG: !Sub '${H}-x'\n"
        "I: !If [J, !Ref K, '']\nL: 2012-10-17\nM: !Equals [a, b]\n"
    )
    assert template.load(path) == {
        "A": {"Ref": "B"},
        "C": {"Fn::GetAtt": ["D", "E.F"]},
        "G": {"Fn::Sub": "${H}-x"},
        "I": {"Fn::If": ["J", {"Ref": "K"}, ""]},
        "L": "2012-10-17",
        "M": {"Fn::Equals": ["a", "b"]},
    }


def test_references_are_resolved() -> None:
    value = {
        "a": {"Ref": "Id"},
        "b": [{"Fn::Sub": "x-${Id}-${Thing.Arn}-${!literal}"}],
        "c": {"Fn::Join": ["/", ["p", {"Ref": "Id"}]]},
        "d": {"Fn::Sub": ["${local}-${Id}", {"local": {"Ref": "Id"}}]},
        "e": {"Fn::GetAtt": ["Thing", "Arn"]},
    }
    assert resolve(value, {"Id": "1"}, lambda name, attribute: f"{attribute}-of-{name}") == {
        "a": "1",
        "b": ["x-1-Arn-of-Thing-${!literal}"],
        "c": "p/1",
        "d": "1-1",
        "e": "Arn-of-Thing",
    }


@pytest.mark.parametrize("value", [{"Ref": "Nothing"}, {"Fn::Sub": "${Nothing}"}, {"Fn::ImportValue": "x"}])
def test_what_cannot_be_resolved_is_an_error(value: dict[str, str]) -> None:
    with pytest.raises(Unresolved):
        resolve(value, {}, lambda name, attribute: "")


def packed(path: Path) -> tuple[template.Json, dict[str, bytes]]:
    uploaded: dict[str, bytes] = {}

    def upload(key: str, content: bytes) -> str:
        uploaded[key] = content
        return f"s3://bucket/{key}"

    return package(template.load(path), path.parent, upload), uploaded


def test_every_local_path_becomes_an_address_and_nothing_else_changes() -> None:
    source = template.load(SMALL)
    result, uploaded = packed(SMALL)
    for name, field in (
        ("ProbeFunction", "CodeUri"),
        ("WordsLayer", "ContentUri"),
        ("Machine", "DefinitionUri"),
    ):
        address = result["Resources"][name]["Properties"].pop(field)
        assert address.removeprefix("s3://bucket/") in uploaded
        source["Resources"][name]["Properties"].pop(field)
    assert result == source


def test_the_same_content_has_the_same_name() -> None:
    assert packed(SMALL)[1].keys() == packed(SMALL)[1].keys()


def test_a_layer_holds_its_packages_under_python_with_their_bytecode() -> None:
    result, uploaded = packed(SMALL)
    key = result["Resources"]["WordsLayer"]["Properties"]["ContentUri"].removeprefix("s3://bucket/")
    names = zipfile.ZipFile(io.BytesIO(uploaded[key])).namelist()
    assert names == [
        "python/shared_words/__init__.py",
        "python/shared_words/__pycache__/__init__.cpython-313.pyc",
    ]


def test_the_shared_layer_holds_portico_and_its_libraries() -> None:
    content, _ = packaging._content(
        "AWS::Serverless::LayerVersion", "CommonLayer", ROOT / "layers" / "common"
    )
    names = set(zipfile.ZipFile(io.BytesIO(content)).namelist())
    assert "python/portico/__init__.py" in names
    assert "python/httpx/__init__.py" in names
    assert not any(name.startswith("python/boto3/") for name in names), "the runtime brings it"


def test_functions_are_known_by_their_folders() -> None:
    assert packaging.folders(template.load(SMALL)) == {"ProbeFunction": "probe"}
