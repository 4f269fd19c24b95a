"""The verb mlprod-patch.

Standard library only, since it runs from the wheel before anything is installed.
"""

import argparse
from pathlib import Path

from .verb import verb


@verb("mlprod-patch")
def patch(_: argparse.Namespace) -> int:
    """Apply patches/*.patch to the library's wheel in vendor/ and pin the result."""
    from ..ops.patching import apply_patches

    print(apply_patches(Path.cwd()))
    return 0
