"""See README.md; the verbs are in cli.py."""
