"""The page for a browser that cannot go on. Static: which explanation shows is up to the fragment and CSS alone."""

from base64 import b64encode
from hashlib import sha256

_STYLE = """
:root{color-scheme:light dark;--ink:#14213d;--paper:#f6f7fb;--card:#fff;--line:#d9deea}
@media (prefers-color-scheme:dark){:root{--ink:#e8ecf6;--paper:#10141f;--card:#1a2030;--line:#2d3548}}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);color:var(--ink);
font:1.05rem/1.55 system-ui,sans-serif}
main{max-width:30rem;margin:1.5rem;padding:2rem;background:var(--card);border:1px solid var(--line);
border-radius:1rem}
h1{font-size:1.35rem;margin:0 0 .5rem}
p{margin:.5rem 0}
section{display:none}
section:target{display:block}
main:not(:has(section:target)) #invalid{display:block}
"""

_SECTIONS = {
    "invalid": (
        "This link is no longer valid",
        "It was used already, has expired, or is incomplete.",
        "Go back to your app and start connecting your portal again.",
    ),
    "wrong_browser": (
        "Please finish in the browser where you started",
        "For your safety, a connection can only be finished by the browser that began it. Nothing was changed.",
        "If you did not start connecting a health portal yourself, close this page: somebody may have sent you "
        "their link.",
    ),
    "incomplete": (
        "Your portal did not send everything back",
        "The login at your portal could not be taken over. Nothing was changed.",
        "Go back to your app and try again. If it keeps happening, the portal may be having trouble.",
    ),
}

HTML = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1">'
    f"<title>Connecting your portal</title><style>{_STYLE}</style></head><body><main>"
    + "".join(
        f'<section id="{name}"><h1>{title}</h1><p>{what}</p><p>{then}</p></section>'
        for name, (title, what, then) in _SECTIONS.items()
    )
    + "</main></body></html>"
)

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
