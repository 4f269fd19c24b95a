"""Faults injected into a running service, which must survive them.

`make chaos-test` runs these tests in a project.
"""
