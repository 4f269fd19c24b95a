"""The version of the installed library; the wheel has its own here."""

VERSION = ""  # a checkout has none
