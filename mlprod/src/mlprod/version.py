"""The version of the installed library. build_wheel.py writes it into the wheel."""

# A checkout has no version.
VERSION = ""
