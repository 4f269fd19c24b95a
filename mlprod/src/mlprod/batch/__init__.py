"""Scores of whole tables: read, scored, recorded and put where they belong."""
