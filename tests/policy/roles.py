"""The deployed roles: what each may do, taken away one grant at a time and given back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.world.world import World
from tools.permissions import Grant, atoms


class Roles:
    """The roles of a running world's stack, by logical id."""

    def __init__(self, world: World) -> None:
        self._world, self._iam = world, world.aws("iam")
        self.names = {
            logical: world.stack.physical_ids[logical]
            for logical, kind in world.stack.types.items()
            if kind == "AWS::IAM::Role"
        }

    def policies(self, role: str) -> dict[str, dict[str, Any]]:
        """The role's own policies."""
        name = self.names[role]
        listed = self._iam.list_role_policies(RoleName=name)["PolicyNames"]
        return {p: self._iam.get_role_policy(RoleName=name, PolicyName=p)["PolicyDocument"] for p in listed}

    def managed(self, role: str) -> list[str]:
        """The names of the policies by AWS that the role has besides."""
        attached = self._iam.list_attached_role_policies(RoleName=self.names[role])["AttachedPolicies"]
        return [policy["PolicyArn"].rpartition("/")[2] for policy in attached]

    @contextmanager
    def without(self, grant: Grant, position: int) -> Iterator[None]:
        """The role without this grant, which is the one at `position` of all that the role has."""
        policy, document, position = self._holding(grant, position)
        allowed = atoms(document)
        assert allowed[position]["Action"] == grant.action
        rest = document | {"Statement": allowed[:position] + allowed[position + 1 :]}
        try:
            self._put(grant.role, policy, rest)
            yield
        finally:
            self._put(grant.role, policy, document)

    def _holding(self, grant: Grant, position: int) -> tuple[str, dict[str, Any], int]:
        """The policy that has the grant, and the grant's place in it."""
        for policy, document in self.policies(grant.role).items():
            count = len(atoms(document))
            if position < count:
                return policy, document, position
            position -= count
        raise LookupError(f"the deployed role has no {grant}")

    def refusals(self, role: str) -> list[str]:
        """Every call so far that this role was refused, as often as it was."""
        return [
            f"{call['service']} {call['action']}"
            for call in self._world.emulator.calls()
            if call["refused"] and call["role"] == self.names[role]
            for _ in range(call["count"])
        ]

    def _put(self, role: str, policy: str, document: dict[str, Any]) -> None:
        name = self.names[role]
        if not document["Statement"]:
            self._iam.delete_role_policy(RoleName=name, PolicyName=policy)
            return
        self._iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
