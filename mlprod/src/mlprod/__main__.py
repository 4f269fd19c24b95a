"""Starts the verbs of the project in this folder: `python -m mlprod VERB`, and `python
vendor/mlprod-….whl/mlprod VERB` where nothing is installed yet. Python 3.6 can read this file, and
say no.
"""

import sys
from pathlib import Path

if __package__ in (None, ""):  # started as a folder of the wheel
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

if __name__ == "__main__":
    from mlprod.commands.start import main, package_here

    sys.exit(main(package_here(Path.cwd())))
