"""What can be wrong with a file."""


class FileError(Exception):
    """The file cannot be read as rows of the contract; the message says where, and what works."""
