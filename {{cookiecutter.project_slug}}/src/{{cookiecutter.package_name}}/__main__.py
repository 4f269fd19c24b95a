"""`python -m` this package and a verb; `make help` lists them."""

import sys

from mlprod import main

sys.exit(main(str(__package__)))
