"""Text as people see it: without secrets and without what a terminal or a page would take for a
command.
"""
