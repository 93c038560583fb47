"""The long proof: millions of histories of the refresh protocol, and of steps of the connect protocol.

python -m tests.protocols.soak [--histories 5000000] [--steps 5000000] [--first SEED]
"""

import argparse
import sys

from tests.protocols import connect_machine, refresh_world
from tests.protocols.parallel import play_all


def main() -> int:
    parser = argparse.ArgumentParser(description="Plays many more histories than the tests do.")
    parser.add_argument("--histories", type=int, default=5_000_000)
    parser.add_argument("--steps", type=int, default=5_000_000)
    parser.add_argument("--first", type=int, default=1_000_000, help="seeds from here on")
    asked = parser.parse_args()
    refreshing = play_all(refresh_world.played, asked.first, asked.histories)
    print(f"refresh histories: {refreshing}")  # noqa: T201
    connecting = play_all(connect_machine.played, asked.first, asked.steps // connect_machine.STEPS)
    print(f"connect histories of {connect_machine.STEPS} steps: {connecting}")  # noqa: T201
    return 1 if refreshing.broken or connecting.broken else 0


if __name__ == "__main__":
    sys.exit(main())
