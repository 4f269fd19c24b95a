"""The API. Holds nothing that trains."""
