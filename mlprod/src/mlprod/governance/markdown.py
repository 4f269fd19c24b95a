"""Words of people in Markdown, shown as they were said."""

import re

from ..plain_text import display

BREAKS = re.compile("[ \t\r\n\u2028\u2029]+")  # what YAML folds or an editor shows as a new line
MARKS = re.compile(
    r"""[\\`*\[\]|~$]              # code, emphasis, links, tables, strike-through, formulas
    |(?<![^\W_])_|_(?![^\W_])      # emphasis, but not the underscore inside snake_case
    |(?<!\S)\#                     # heading, and the hashes that close one
    |^[-+=](?!\w)                  # list, rule, underlined heading
    |(?<=^\d)[.)]|(?<=^\d\d)[.)]   # numbered list
    """,
    re.VERBOSE,
)
HTML = re.compile(r"[<>]|&(?=#?\w+;)")


def cell(value: object) -> str:
    """The value in one line, with nothing in it that Markdown would act on."""
    escaped = MARKS.sub(lambda found: "\\" + found[0], display(BREAKS.sub(" ", str(value)).strip(" ")))
    return HTML.sub(lambda found: {"<": "&lt;", ">": "&gt;", "&": "&amp;"}[found[0]], escaped)
