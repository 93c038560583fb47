"""`python -m sandbox run`: the local world, until Ctrl-C. `python -m sandbox demo`: a journey through it."""

import sys

from sandbox.world import run


def main(arguments: list[str]) -> int:
    """Do what the first argument says; the exit code is the answer."""
    match arguments:
        case ["run"]:
            return run.main()
        case ["demo", *rest]:
            from sandbox import demo

            return demo.main(rest)
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
