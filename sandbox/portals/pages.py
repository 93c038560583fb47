"""The portals' pages: sign-in, consent, and what is shown when nothing can be done.

Plain HTML and CSS, each portal in its own colours, usable with a keyboard, a screen reader or a test.
"""

import hashlib
from collections.abc import Iterable
from html import escape
from pathlib import Path

from sandbox.onerecord.catalog import Endpoint
from sandbox.records import ACCOUNTS

_STYLE = Path(__file__).with_name("portal.css").read_text()
_COLOURS = (
    ("#0b5c8a", "#083b59", "#e8f2f8"),
    ("#1d6b4f", "#0f4030", "#e7f3ee"),
    ("#7a2e4d", "#4d1a30", "#f7ebf0"),
    ("#4a3f8f", "#2c2560", "#eeecf8"),
    ("#8a4b08", "#573004", "#f9f0e4"),
    ("#0a6570", "#063f46", "#e5f3f4"),
    ("#37516b", "#213344", "#edf1f5"),
)

READABLE_SCOPES = {
    "clinical": (
        ("Who you are", "Name, birth date, address and telephone"),
        ("Health problems and allergies", "Conditions, procedures, family history"),
        ("Medications and immunizations", "What was prescribed, what you take, vaccines"),
        ("Results and documents", "Laboratory, vital signs, reports and notes"),
    ),
    "payer": (
        ("Who you are", "Name, birth date, address and member number"),
        ("Your coverage", "Plans, membership dates and cost sharing"),
        ("Your claims", "Visits, pharmacy and hospital claims, and what was paid"),
    ),
}


def sign_in_page(endpoint: Endpoint, transaction: str, people: Iterable[str], problem: str = "") -> str:
    alert = f'<p class="alert" role="alert" id="problem">{escape(problem)}</p>' if problem else ""
    rows = "".join(
        f"<li><code>{escape(name)}</code> <code>{escape(ACCOUNTS[name].password)}</code>"
        f"<span>{escape(ACCOUNTS[name].headline)}</span></li>"
        for name in people
    )
    return _page(
        endpoint,
        "Sign in",
        f"""
<h1>Sign in</h1>
<p class="lead">to your {_account_kind(endpoint)} account</p>
{alert}
<form method="post" action="/portal/{endpoint.slug}/login" novalidate>
  <input type="hidden" name="transaction" value="{escape(transaction)}">
  <label for="username">User name</label>
  <input id="username" name="username" type="text" autocomplete="username" autocapitalize="none"
         spellcheck="false" required autofocus>
  <label for="password">Password</label>
  <input id="password" name="password" type="password" autocomplete="current-password" required>
  <button id="login" type="submit">Sign in</button>
</form>
<aside aria-labelledby="people">
  <h2 id="people">This is a sandbox</h2>
  <p>Nobody here is real. Sign in with one of these names and passwords:</p>
  <ul class="people">{rows}</ul>
</aside>""",
    )


def consent_page(endpoint: Endpoint, transaction: str, patient_name: str) -> str:
    items = "".join(
        f"<li><strong>{escape(title)}</strong><span>{escape(text)}</span></li>"
        for title, text in READABLE_SCOPES[endpoint.data_type]
    )
    withhold = (
        '<p class="choice"><input id="withhold" name="withhold" type="checkbox" value="demographics">'
        '<label for="withhold">Do not share my name, address and birth date</label></p>'
        if endpoint.persona.asks_demographics
        else ""
    )
    return _page(
        endpoint,
        "Share your records",
        f"""
<h1>Share your records?</h1>
<p class="lead">Signed in as <strong id="patient">{escape(patient_name)}</strong></p>
<p><strong>Your health app</strong>, through OneRecord, asks to read from {escape(endpoint.name)}:</p>
<ul class="scopes">{items}</ul>
<form method="post" action="/portal/{endpoint.slug}/consent">
  <input type="hidden" name="transaction" value="{escape(transaction)}">
  {withhold}
  <div class="buttons">
    <button id="allow" type="submit" name="decision" value="allow">Allow</button>
    <button id="deny" type="submit" name="decision" value="deny" class="quiet">Deny</button>
  </div>
</form>
<p class="small">The app can read these records until you take your consent back in your account settings.
It cannot change anything here.</p>""",
    )


def problem_page(endpoint: Endpoint, title: str, text: str) -> str:
    return _page(endpoint, title, f"<h1>{escape(title)}</h1><p id='problem'>{escape(text)}</p>")


def not_found_page() -> str:
    return "<!DOCTYPE html><html lang=en><title>Not found</title><h1>Not found</h1></html>"


def _account_kind(endpoint: Endpoint) -> str:
    return "member" if endpoint.data_type == "payer" else "patient"


def _page(endpoint: Endpoint, title: str, content: str) -> str:
    accent, dark, tint = _COLOURS[hashlib.sha256(endpoint.slug.encode()).digest()[0] % len(_COLOURS)]
    name, place = escape(endpoint.name), endpoint.place
    address = f"{place.street}, {place.city}, {place.state} {place.zip}"
    initials = "".join(word[0] for word in endpoint.name.split() if word[0].isalpha())[:2].upper()
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} – {name}</title>
<style>:root {{ --accent: {accent}; --dark: {dark}; --tint: {tint}; }}
{_STYLE}</style>
</head>
<body>
<header>
  <span class="mark" aria-hidden="true">{escape(initials)}</span>
  <span class="who"><span class="name">{name}</span>
  <span class="place">{escape(place.city)}, {escape(place.state)}</span></span>
</header>
<main>{content}</main>
<footer>{name} · {escape(address)}</footer>
</body>
</html>
"""
