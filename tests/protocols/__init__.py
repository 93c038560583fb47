"""What proves the refresh and the connect protocol: machines that play histories of the real domain code."""

import sys
from pathlib import Path

_LAYER = str(Path(__file__).parents[2] / "layers" / "common")
if _LAYER not in sys.path:  # run as a program: `python -m tests.protocols.soak`
    sys.path.insert(0, _LAYER)
