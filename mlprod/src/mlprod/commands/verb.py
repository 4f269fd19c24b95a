"""Verbs: name, options and the function that runs each one. Standard library only."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

Run = Callable[[argparse.Namespace], int]


class Option(NamedTuple):
    """An option of a verb, as argparse takes it."""

    flag: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Verb:
    """A command of `python -m <package>`. Calling it runs it and returns the exit code."""

    name: str
    run: Run
    options: tuple[Option, ...]

    def __call__(self, args: argparse.Namespace) -> int:
        return self.run(args)

    @property
    def help(self) -> str:
        """The first line of the function's docstring."""
        return (self.run.__doc__ or "").strip().partition("\n")[0].removesuffix(".")


def option(flag: str, **settings: Any) -> Option:
    """An option, with the arguments of argparse's add_argument()."""
    return Option(flag, settings)


def verb(name: str, *options: Option) -> Callable[[Run], Verb]:
    """Make a function the verb `name`. Its docstring is the verb's help."""
    return lambda run: Verb(name, run, options)


def utc(text: str) -> datetime:
    """Parse a time as UTC without a time zone, as load() accepts it. Raises ValueError."""
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


REASON = option("--reason", default="", help="why; recorded")
ACTOR = option("--actor", default="", help="who; default: git's user.email")
SERVICE_URL = option(
    "--url",
    default="http://127.0.0.1:8000",
    help="address of the service; its key is read from ML_SERVICE_KEY",
)
SINCE = option("--since", type=utc, help="first time of load(), UTC, e.g. 2026-06-01")
UNTIL = option("--until", type=utc, help="end of load(), UTC, e.g. 2026-06-02")
INPUT = option("--input", help="a file or folder of rows, Parquet or CSV, instead of load()")


def image_name(args: argparse.Namespace) -> str:
    """Return the name of the project's images, by default that of the package."""
    return str(args.name or args.project.package.replace("_", "-"))


IMAGE_NAME = option("--name", default="", help="default: the package's name, with - for _")
