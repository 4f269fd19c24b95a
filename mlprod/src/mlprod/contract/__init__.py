"""The data contract: its schema, and the check of rows against it. Independent of any domain."""
