"""Tables in files that people make: read by one set of rules, whatever command asks.

Knows no domain.
"""
