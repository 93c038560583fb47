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
    only_when: str = ""
    """The condition of the template under which the role has this at all."""

    def __str__(self) -> str:
        only = f" if {self.condition}" if self.condition else ""
        only += f" when {self.only_when}" if self.only_when else ""
        return f"{self.owner}: {self.action} on {self.resource}{only}"


def atoms(document: Mapping[str, Any]) -> list[Json]:
    """A policy's statements taken apart: each has one action, one resource and one value per condition."""
    return [atom for statement in _list(document["Statement"]) for atom in _apart(statement)]


def grants(stack: Json, folders: Mapping[str, str]) -> list[Grant]:
    """Everything that the roles of an expanded template may do by policies of their own, in order."""
    owners = _owners(stack, folders)
    return [
        Grant(owners[role], role, atom["Action"], _readable(atom["Resource"]), _condition(atom), when)
        for role, document, when in _policies(stack)
        for atom in atoms(document)
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


def of_the_document() -> str:
    """What stands between the document's markers when it is current."""
    return table(of_the_template()) + "\n" + by_aws(expanded(), packaging.folders(template.load(TEMPLATE)))


def table(found: list[Grant]) -> str:
    """The grants as Markdown, one row for each owner and resource."""
    rows: dict[tuple[str, str, str], list[Grant]] = {}
    for grant in found:
        rows.setdefault((grant.owner, grant.action.partition(":")[0], grant.resource), []).append(grant)
    lines = ["| who | service | may | on | only if |", "|--|--|--|--|--|"]
    before = ""
    for (owner, service, resource), granted in rows.items():
        named = f"`{owner}`" if owner != before else ""
        before = owner
        verbs: dict[str, list[str]] = {}
        for grant in granted:
            only = grant.condition + (f" (when {grant.only_when})" if grant.only_when else "")
            verbs.setdefault(grant.action.partition(":")[2], []).append(only)
        every = ", ".join(verbs)
        only = "; ".join(dict.fromkeys(" or ".join(filter(None, of_verb)) for of_verb in verbs.values()))
        if len({tuple(of_verb) for of_verb in verbs.values()}) > 1:
            only = "; ".join(f"{verb}: {' or '.join(of_verb)}" for verb, of_verb in verbs.items())
        lines.append(f"| {named} | {service} | {every} | `{resource}` | {only} |")
    return "\n".join([*lines, ""])


def by_aws(stack: Json, folders: Mapping[str, str]) -> str:
    """A sentence about the policies by AWS that SAM adds."""
    owners, holders = _owners(stack, folders), dict[str, list[str]]()
    for role, names in managed(stack).items():
        for name in names:
            holders.setdefault(name, []).append(owners[role])
    said = [
        f"`{name}` ({'every function' if set(have) == set(folders.values()) else ', '.join(have)})"
        for name, have in sorted(holders.items())
    ]
    return f"Policies by AWS besides: {', '.join(said)}."


def written(document: str, new: str) -> str:
    """The document with the table between its markers replaced."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def _roles(stack: Json) -> Iterator[tuple[str, Json]]:
    for name, resource in stack["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role":
            yield name, resource["Properties"]


def _policies(stack: Json) -> Iterator[tuple[str, Json, str]]:
    """(role, document, condition of the template) of every policy, whether it stands in the role or apart."""
    for role, properties in _roles(stack):
        for policy in properties.get("Policies", []):
            yield role, policy["PolicyDocument"], ""
    for resource in stack["Resources"].values():
        if resource["Type"] == "AWS::IAM::Policy":
            for role in resource["Properties"]["Roles"]:
                yield role["Ref"], resource["Properties"]["PolicyDocument"], resource.get("Condition", "")


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
        f"{key} = {_readable(value)}"
        for keys in atom.get("Condition", {}).values()
        for key, value in keys.items()
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
            text = re.sub(r"^arn:([^:]*:){4}", "", re.sub(r"\$\{AWS::\w+\}", "", text))
            return re.sub(r"\$\{(\w+)(\.\w+)?\}", r"\1", text)
        case "Fn::Join":
            return str(argument[0]).join(_readable(part) for part in argument[1])
    raise ValueError(f"a resource is told by {function}")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def main(arguments: list[str]) -> int:
    """Writes the table into the document, or checks that it is there."""
    document = DOCUMENT.read_text()
    current = written(document, of_the_document())
    if "--check" not in arguments:
        DOCUMENT.write_text(current)
        return 0
    if current != document:
        print(f"{DOCUMENT.name} is not current: run python -m tools.permissions", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
