"""Least privilege, proven by running: what a role may do it needs, and what it needs it may do.

The grants are read from the expanded template; a test holds the deployed roles to them. For each one, a
scenario is played on the running stack with that one right taken away, and the role must be refused a call.
"""

from itertools import groupby

import pytest

from tests.policy.play import Play
from tests.policy.roles import Roles
from tests.policy.scenarios import NOT_SHOWN, USES, Scenario
from tools import permissions
from tools.expand_template import expanded
from tools.permissions import Grant

# What a condition of the template adds is not in the stack that runs here.
GRANTS = [grant for grant in permissions.of_the_template() if not grant.only_when]
BY_AWS = {"AWSLambdaBasicExecutionRole"}


def reason_not_shown(grant: Grant) -> str | None:
    return next((why for beginning, why in NOT_SHOWN.items() if str(grant).startswith(beginning)), None)


def positions() -> list[tuple[Grant, int]]:
    """Each grant with its place among those of its role."""
    return [
        (grant, place)
        for _, of_role in groupby(GRANTS, key=lambda grant: grant.role)
        for place, grant in enumerate(of_role)
    ]


SHOWN = [(grant, place) for grant, place in positions() if reason_not_shown(grant) is None]


@pytest.mark.parametrize(("grant", "place"), SHOWN, ids=[str(grant) for grant, _ in SHOWN])
def test_without_any_one_of_its_rights_a_role_is_refused(
    grant: Grant, place: int, play: Play, roles: Roles
) -> None:
    assert grant.owner in USES, f"no scenario shows what {grant.owner} does"
    scenario = USES[grant.owner].scenario(str(grant).partition(": ")[2])
    act = scenario(play)
    if grant.action.startswith("secretsmanager:"):
        play.fresh_environment(grant.owner)
    with roles.without(grant, place):
        before = len(roles.refusals(grant.role))
        play.enough = lambda: len(roles.refusals(grant.role)) > before
        act()
        refused = roles.refusals(grant.role)
    assert len(refused) > before, f"{scenario.__name__} does not need it"


PLAYED = [(owner, scenario) for owner, uses in USES.items() for scenario in uses.all()]


@pytest.mark.parametrize(
    "scenario",
    list(dict.fromkeys(scenario for _, scenario in PLAYED)),
    ids=lambda scenario: scenario.__name__,
)
def test_with_all_of_its_rights_no_role_is_refused_anything(
    scenario: Scenario, play: Play, roles: Roles
) -> None:
    act = scenario(play)
    before = {role: len(roles.refusals(role)) for role in roles.names}
    assert act()
    assert {role: len(roles.refusals(role)) for role in roles.names} == before


def test_a_whole_journey_is_refused_nothing(play: Play, roles: Roles) -> None:
    before = {role: roles.refusals(role) for role in roles.names}
    app, portal = play.app(), play.portal("cerner")
    assert app.search(portal.data_type, q=portal.name).json()["portals"]
    link = app.connected(portal)
    done = link.retrieve("Patient", "Condition")
    assert done.status_code == 200
    assert all(app.file(output["url"]) for output in done.json()["output"])
    play.outside.expire_tokens(portal.id)
    assert link.fetch("Patient").status_code == 200
    again = app.reconnect(link)
    assert app.come_back(again).status == "authorized"
    assert again.exchange().status_code == 200
    assert app.delete(f"/v1/connections/{link.id}").status_code == 204
    assert {role: roles.refusals(role) for role in roles.names} == before


def test_the_deployed_roles_may_do_what_the_template_says_and_no_more(roles: Roles) -> None:
    by_role = {grant.role: [g.action for g in GRANTS if g.role == grant.role] for grant in GRANTS}
    deployed = {
        role: [
            atom["Action"]
            for document in roles.policies(role).values()
            for atom in permissions.atoms(document)
        ]
        for role in roles.names
    }
    assert deployed == {role: by_role.get(role, []) for role in roles.names}


def test_what_aws_adds_to_a_role_is_writing_its_own_log(roles: Roles) -> None:
    by_aws = permissions.managed(expanded())
    assert {role: sorted(names) for role, names in by_aws.items()} == {
        role: sorted(roles.managed(role)) for role in roles.names
    }
    assert {name for names in by_aws.values() for name in names} <= BY_AWS


def test_everything_that_cannot_be_shown_is_still_granted() -> None:
    texts = [str(grant) for grant in GRANTS]
    stale = [beginning for beginning in NOT_SHOWN if not any(text.startswith(beginning) for text in texts)]
    assert not stale
