"""YOURS: the four files that say what this project is about."""
