"""A CloudFormation template as data: YAML with its short tags, and references resolved against a stack."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
_PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")


class _Loader(yaml.SafeLoader):
    """Reads !Ref and its like; dates stay text, as CloudFormation has no dates."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _construct(loader: _Loader, suffix: str, node: yaml.Node) -> Json:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _construct)


def load(path: Path) -> Json:
    """The template in its long form, as JSON has it."""
    template: Json = yaml.load(path.read_text(), _Loader)
    return template


class Unresolved(Exception):
    """A value needs something that a deployed stack does not tell."""


def resolve(value: Any, references: Mapping[str, str], attribute: Callable[[str, str], str]) -> Any:
    """`value` with Ref, GetAtt, Sub and Join carried out.

    `references` has parameters, pseudo parameters and physical ids by logical id; `attribute(id, name)` is
    GetAtt.
    """

    def named(name: str) -> str:
        logical, _, attribute_name = name.partition(".")
        if attribute_name:
            return attribute(logical, attribute_name)
        if logical not in references:
            raise Unresolved(f"nothing is called {logical}")
        return references[logical]

    def again(part: Any) -> Any:
        return resolve(part, references, attribute)

    if isinstance(value, list):
        return [again(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (function, argument), *_ = value.items()
        if function == "Ref":
            return named(argument)
        if function == "Fn::GetAtt":
            return attribute(*(argument if isinstance(argument, list) else argument.split(".", 1)))
        if function == "Fn::Join":
            return argument[0].join(again(argument[1]))
        if function == "Fn::Sub":
            text, local = argument if isinstance(argument, list) else (argument, {})
            local = again(local)
            return _PLACEHOLDER.sub(lambda m: str(local[m[1]]) if m[1] in local else named(m[1]), text)
        if function.startswith("Fn::"):
            raise Unresolved(f"{function} is not carried out locally")
    return {key: again(item) for key, item in value.items()}
