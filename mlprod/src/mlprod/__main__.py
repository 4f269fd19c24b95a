"""Run a verb of the project in this folder: `python -m mlprod VERB`.

`python vendor/mlprod-….whl/mlprod VERB` works before anything is installed. Python 3.6 can read
this file, so an old Python gets a message and not a syntax error.
"""

import sys
from pathlib import Path

# Started as a folder of the wheel.
if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

if __name__ == "__main__":
    from mlprod.commands.start import main, package_here

    sys.exit(main(package_here(Path.cwd())))
