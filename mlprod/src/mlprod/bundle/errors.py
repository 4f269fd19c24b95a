"""Why a bundle is not used."""

from typing import Literal

Reason = Literal["size", "digest", "manifest", "contract", "pickle", "unsafe", "runtime", "probe"]


class BundleFilesError(Exception):
    """The folder holds something that cannot be part of a bundle; the message names it."""


class BundleError(Exception):
    """This bundle must not answer.

    `reason` is a short word for metrics, the message is for people.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnsafeModelError(ValueError):
    """The model reads files or needs operators that are not standard."""
