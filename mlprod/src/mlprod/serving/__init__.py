"""Serving API. It imports nothing that trains."""
