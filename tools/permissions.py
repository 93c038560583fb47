"""What each role of the stack may do, as a table in docs/security.md: `python -m tools.permissions [--check]`.

The table is read from the expanded template, so that what SAM adds is in it too. `--check` writes nothing and
fails when the document is not current.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from sandbox.world import packaging, template
from tools.expand_template import ROOT, TEMPLATE, expanded

DOCUMENT = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- permissions: begin -->", "<!-- permissions: end -->"
Json = dict[str, Any]


@dataclass(frozen=True)
class Grant:
    """One action that a role may do on one resource, under at most one value of one condition."""

    owner: str
    """The function's folder, or the logical id of what else has the role."""
    role: str
    """The role's logical id."""
    action: str
    resource: str
    condition: str = ""

    def __str__(self) -> str:
        only = f" if {self.condition}" if self.condition else ""
        return f"{self.owner}: {self.action} on {self.resource}{only}"


def atoms(document: Mapping[str, Any]) -> list[Json]:
    """A policy's statements taken apart: each has one action, one resource and one value per condition."""
    return [atom for statement in _list(document["Statement"]) for atom in _apart(statement)]


def grants(stack: Json, folders: Mapping[str, str]) -> list[Grant]:
    """Everything that the roles of an expanded template may do by policies of their own, in order."""
    owners = _owners(stack, folders)
    return [
        Grant(owners[role], role, atom["Action"], _readable(atom["Resource"]), _condition(atom))
        for role, properties in _roles(stack)
        for policy in properties.get("Policies", [])
        for atom in atoms(policy["PolicyDocument"])
    ]


def managed(stack: Json) -> dict[str, list[str]]:
    """The policies by AWS that each role has besides, by the role's logical id."""
    return {
        role: [str(arn).rpartition("/")[2] for arn in properties.get("ManagedPolicyArns", [])]
        for role, properties in _roles(stack)
    }


def of_the_template(path: Path = TEMPLATE) -> list[Grant]:
    """The grants of our own template."""
    return grants(expanded(path), packaging.folders(template.load(path)))


def table(found: list[Grant]) -> str:
    """The grants as Markdown, one row for each owner and resource."""
    rows: dict[tuple[str, str, str], tuple[list[str], list[str]]] = {}
    for grant in found:
        service, _, verb = grant.action.partition(":")
        verbs, conditions = rows.setdefault((grant.owner, service, grant.resource), ([], []))
        if verb not in verbs:
            verbs.append(verb)
        if grant.condition and (only := f"{verb}: {grant.condition}") not in conditions:
            conditions.append(only)
    lines = ["| who | service | may | on | only with |", "|--|--|--|--|--|"]
    before = ""
    for (owner, service, resource), (verbs, conditions) in rows.items():
        named = f"`{owner}`" if owner != before else ""
        before = owner
        lines.append(f"| {named} | {service} | {', '.join(verbs)} | `{resource}` | {'<br>'.join(conditions)} |")
    return "\n".join(lines)


def written(document: str, new: str) -> str:
    """The document with the table between its markers replaced."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def _roles(stack: Json) -> Iterator[tuple[str, Json]]:
    for name, resource in stack["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role":
            yield name, resource["Properties"]


def _owners(stack: Json, folders: Mapping[str, str]) -> dict[str, str]:
    """Who has each role: the function or machine that runs in it, else the role's own name."""
    owners = {role: role.removesuffix("Role") for role, _ in _roles(stack)}
    for name, resource in stack["Resources"].items():
        properties = resource.get("Properties", {})
        for field in ("Role", "RoleArn"):
            reference = properties.get(field)
            if isinstance(reference, dict) and reference.get("Fn::GetAtt", [""])[0] in owners:
                owners[reference["Fn::GetAtt"][0]] = folders.get(name, name)
    return owners


def _apart(statement: Json) -> Iterator[Json]:
    tests = [
        [(operator, key, value) for value in _list(values)]
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    ]
    for action, resource in product(_list(statement["Action"]), _list(statement["Resource"])):
        for chosen in product(*tests):
            atom = {"Effect": statement["Effect"], "Action": action, "Resource": resource}
            condition: Json = {}
            for operator, key, value in chosen:
                condition.setdefault(operator, {})[key] = value
            yield atom | ({"Condition": condition} if condition else {})


def _condition(atom: Json) -> str:
    return ", ".join(
        f"{key} = {_readable(value)}" for keys in atom.get("Condition", {}).values() for key, value in keys.items()
    )


def _readable(value: Any) -> str:
    """A resource as a person names it: by logical id, without the parts of an ARN that say nothing."""
    if isinstance(value, str):
        return value
    (function, argument), *_ = value.items()
    match function:
        case "Ref":
            return str(argument)
        case "Fn::GetAtt":
            return str(argument[0] if isinstance(argument, list) else argument.partition(".")[0])
        case "Fn::If":
            return _readable(argument[1])
        case "Fn::Sub":
            text = argument if isinstance(argument, str) else argument[0]
            text = re.sub(r"^arn:\$\{[^}]*\}(:[^:]*){3}:", "", text)
            return re.sub(r"\$\{([A-Za-z0-9]+)(\.[A-Za-z0-9]+)?\}", r"\1", text)
        case "Fn::Join":
            return str(argument[0]).join(_readable(part) for part in argument[1])
    raise ValueError(f"a resource is told by {function}")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def main(arguments: list[str]) -> int:
    """Writes the table into the document, or checks that it is there."""
    document = DOCUMENT.read_text()
    current = written(document, table(of_the_template()))
    if "--check" not in arguments:
        DOCUMENT.write_text(current)
        return 0
    if current != document:
        print(f"{DOCUMENT.name} is not current: run python -m tools.permissions", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
