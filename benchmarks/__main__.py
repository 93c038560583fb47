"""`make bench`: all tables."""

import subprocess
import sys
from pathlib import Path

from benchmarks import world

if __name__ == "__main__":
    splitter = Path(__file__).with_name("splitter.py")
    subprocess.run([sys.executable, str(splitter), "10", "100"], check=True)
    world.main([10, 100])
