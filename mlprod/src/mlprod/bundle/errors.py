"""The reasons why a bundle is refused."""

from typing import Literal

Reason = Literal[
    "size", "digest", "manifest", "contract", "code", "pickle", "unsafe", "runtime", "probe"
]


class BundleFilesError(Exception):
    """The folder holds a file that cannot be part of a bundle; the message names it."""


class BundleError(Exception):
    """The bundle is refused, so the service must not use it.

    `reason` is a short text for metrics. The message is for people.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnsafeModelError(ValueError):
    """The model reads files or needs nonstandard operators."""
