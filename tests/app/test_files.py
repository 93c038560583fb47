"""What the patient app's files promise by themselves: no markup from data, nothing from elsewhere, contrast."""

import re
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "sandbox" / "app"
SCRIPTS = sorted(APP.rglob("*.js"))
SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setHTML|localStorage"
)
TEXT_ON_GROUND = [
    ("ink", "paper"),
    ("ink", "card"),
    ("ink", "tint"),
    ("soft", "paper"),
    ("soft", "card"),
    ("soft", "sunk"),
    ("accent", "paper"),
    ("accent", "card"),
    ("accent", "tint"),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("good", "good-tint"),
    ("warn", "warn-tint"),
    ("bad", "bad-tint"),
    ("bad", "card"),
    ("card", "bad"),
    ("ink", "good-tint"),
    ("ink", "bad-tint"),
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(APP).as_posix())
def test_a_script_makes_no_markup_and_keeps_nothing_for_good(script: Path) -> None:
    assert not SINKS.search(script.read_text())


def test_the_page_allows_its_own_scripts_alone_and_loads_nothing_from_elsewhere() -> None:
    page = (APP / "index.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    directives = dict(one.strip().split(" ", 1) for one in policy[1].split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == directives["img-src"] == "'self'"
    assert directives["require-trusted-types-for"] == "'script'"
    for file in [APP / "index.html", *APP.glob("*.css"), *SCRIPTS]:
        for address in re.findall(r"https?://[^\s\"'`;]+", file.read_text()):
            assert address.startswith(("http://127.0.0.1:", "http://localhost:", "http://www.w3.org/")), file


def test_every_script_is_reached_from_the_page() -> None:
    reached, waiting = set(), [APP / "app.js"]
    while waiting:
        script = waiting.pop().resolve()
        if script not in reached:
            reached.add(script)
            waiting += [script.parent / name for name in re.findall(r'from "(\.[^"]+)"', script.read_text())]
    assert reached == {script.resolve() for script in SCRIPTS}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_on_its_ground(scheme: str) -> None:
    roots = re.findall(r":root \{(.*?)\}", (APP / "app.css").read_text(), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", roots[scheme == "dark"]))
    poor = [
        (text, ground, round(ratio, 2))
        for text, ground in TEXT_ON_GROUND
        if (ratio := _contrast(colours[text], colours[ground])) < 4.5
    ]
    assert poor == []


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
