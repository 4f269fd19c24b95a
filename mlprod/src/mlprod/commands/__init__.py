"""The verbs of the command line.

Each verb imports what it needs when it runs; otherwise `help` would take seconds.
"""
