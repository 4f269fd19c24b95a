"""The verb that prints the documentation pages of the installed library."""

import argparse
import sys

from ..assets import pages
from .verb import option, verb


@verb("docs", option("topic", nargs="?", default="", help="a page; without it, the list of pages"))
def docs(args: argparse.Namespace) -> int:
    """List the documentation pages, or print one."""
    result = pages()
    if not args.topic:
        for topic, text in result.items():
            print(f"{topic:28} {text.partition(chr(10))[0].lstrip('# ')}")
        return 0
    if args.topic not in result:
        print(
            f"docs: {args.topic!r} was given; the pages are: {', '.join(result)}", file=sys.stderr
        )
        return 1
    print(result[args.topic], end="")
    return 0
