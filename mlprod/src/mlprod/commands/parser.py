"""The command line of a project: its verbs in groups, and the options of each.

Standard library only.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from ..display.masking import masked
from ..extensions import Command
from .verb import Verb

WIDTH = 18  # of the column of names


class Parser(argparse.ArgumentParser):
    """Reports wrong arguments without repeating the secrets in them."""

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(masked(message), file)


def build_parser(
    package: str, groups: Mapping[str, Sequence[Verb]], own: Mapping[str, Command]
) -> Parser:
    """The parser of `python -m <package>`: the library's verbs by group, then the project's own."""
    listed = {name: [(verb.name, verb.help) for verb in verbs] for name, verbs in groups.items()}
    if own:
        listed["this project"] = [(name, _first_line(command)) for name, command in own.items()]
    parser = Parser(
        prog=f"python -m {package}",
        usage=f"python -m {package} VERB [OPTIONS]",
        description="Run a verb. `VERB --help` shows its options.",
        epilog="\n\n".join(_group(name, verbs) for name, verbs in listed.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parsers = parser.add_subparsers(dest="verb", prog=parser.prog, help=argparse.SUPPRESS)
    for verb in (verb for verbs in groups.values() for verb in verbs):
        made = parsers.add_parser(verb.name, description=(verb.run.__doc__ or "").strip())
        for flag, settings in verb.options:
            made.add_argument(flag, **settings)
    for name in own:
        parsers.add_parser(name)
    parsers.add_parser("help")
    return parser


def _group(name: str, verbs: Sequence[tuple[str, str]]) -> str:
    return "\n".join([f"{name}:", *(f"  {verb:{WIDTH}} {text}".rstrip() for verb, text in verbs)])


def _first_line(command: Command) -> str:
    return (command.__doc__ or "").strip().partition("\n")[0]
