"""Run as a program in a bare interpreter: imports a handler and prints the packages that it has loaded."""

import importlib.util
import json
import sys
from pathlib import Path


def main(handler: str) -> None:
    """The top-level names of what importing this handler brings in, beyond the standard library."""
    before = set(sys.modules)
    specification = importlib.util.spec_from_file_location("handler", handler)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    loaded = {name.partition(".")[0] for name in set(sys.modules) - before if not name.startswith("__mp")}
    ours = {name for name in sys.modules if name.startswith("portico.adapters.")}
    print(json.dumps(sorted((loaded - sys.stdlib_module_names) | ours)))  # noqa: T201 - the answer


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()))
