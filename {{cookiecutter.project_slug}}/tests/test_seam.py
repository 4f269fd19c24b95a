"""What holds for every project. Keep this when you replace the four files."""

from mlprod.testing.seam_tests import *  # noqa: F403 - pytest collects each test of it here
