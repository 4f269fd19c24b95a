"""Errors of files."""


class FileError(Exception):
    """The file cannot be read as rows of the contract; the message has the place and the remedy."""


class NoSuchFileError(FileError):
    """There is no file at this path."""
