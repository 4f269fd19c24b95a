"""Tables in files: every command reads them by the same rules.

This package does not depend on a domain.
"""
