"""The page for a browser that cannot go on."""

import re
from base64 import b64encode
from hashlib import sha256

import pytest

from portico.attempt import Fragment
from portico.problem_page import HEADERS, HTML

POLICY = dict(part.strip().partition(" ")[::2] for part in HEADERS["Content-Security-Policy"].split(";"))


def test_the_policy_allows_the_pages_own_style_and_nothing_else() -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", HTML, re.DOTALL)
    assert {
        "default-src": "'none'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "style-src": f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'",
    } == POLICY


def test_t16_the_page_runs_nothing_loads_nothing_and_links_nowhere() -> None:
    assert not re.search(
        r"<(script|link|img|iframe|form|a|object|embed|base)\b|\son\w+=|style=|url\(|@import|https?:", HTML
    )


def test_t16_the_page_cannot_be_framed_and_tells_nobody_where_it_came_from() -> None:
    assert (HEADERS["X-Frame-Options"], HEADERS["Referrer-Policy"]) == ("DENY", "no-referrer")
    assert HEADERS["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("fragment", Fragment)
def test_every_fragment_has_its_explanation(fragment: Fragment) -> None:
    assert HTML.count(f'<section id="{fragment.value}"><h1>') == 1


def test_there_is_an_explanation_for_every_fragment_only() -> None:
    assert re.findall(r'<section id="(\w+)"', HTML) == [fragment.value for fragment in Fragment]


def test_without_a_fragment_the_first_explanation_shows() -> None:
    assert "main:not(:has(section:target)) #invalid{display:block}" in HTML


def test_the_page_says_its_language_and_fits_a_phone() -> None:
    assert HTML.startswith('<!doctype html><html lang="en">')
    assert 'name="viewport"' in HTML
