"""Writes the template as CloudFormation will see it: `python -m tools.expand_template [TARGET]`.

SAM's own translator turns functions, the API and the state machine into roles, policies, permissions and
routes. Checks that read only the short form never see a function's role.
"""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.world import template
from sandbox.world.emulator import Credentials, isolated_session

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "template.yaml"
TARGET = ROOT / ".aws-sam" / "expanded.json"
Json = dict[str, Any]
_LOCAL_PATHS = ("CodeUri", "ContentUri", "DefinitionUri")


@cache
def expanded(path: Path = TEMPLATE) -> Json:
    """The template in its long form, with SAM's transform carried out; local files stay unread."""
    return expand(template.load(path))


def expand(source: Json) -> Json:
    """A template, as `sandbox.world.template.load` reads it, with SAM's transform carried out."""
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    # With a session of its own it does not ask the user's AWS configuration for a region.
    translator = Translator(None, Parser(), boto_session=isolated_session(Credentials()))
    result: Json = translator.translate(_as_packaged(source), {}, get_managed_policy_map=dict)
    return result


def _as_packaged(source: Json) -> Json:
    """A copy whose local paths are addresses, which is all that the transform takes."""
    packaged: Json = json.loads(json.dumps(source))
    shared = packaged.get("Globals", {}).get("Function", {})
    for properties in [shared, *(r.get("Properties", {}) for r in packaged["Resources"].values())]:
        for name in _LOCAL_PATHS:
            if isinstance(properties.get(name), str):
                properties[name] = f"s3://artifacts/{properties[name]}"
    return packaged


def main(arguments: list[str]) -> int:
    """Writes it, and says where."""
    target = Path(arguments[0]) if arguments else TARGET
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(expanded(), indent=2) + "\n")
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
