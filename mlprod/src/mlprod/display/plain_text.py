"""Text that people write: shown without characters that a terminal or a page acts on, and stored
without them.

Standard library only: local_extensions.py of the template loads this file by its path.
"""

import json
import re
import unicodedata

MAX_LENGTH = 500
ACTED_ON = (
    "Cc",
    "Cf",
    "Cs",
    "Zl",
    "Zp",
)  # control, format (bidirectional), half a character, line, paragraph
# Joiners of letters and emoji, which Persian and Hindi need, and marks of direction, which turn no
# letters:
HARMLESS = "\u061c\u200c\u200d\u200e\u200f"
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


def display(text: object, keep: str = "") -> str:
    """The text with an escape such as \\x1b for each character that would move, hide or turn what
    stands around it.

    `keep` names characters that stay, such as the line break of a message of several lines.
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(
        _escape(sign) if sign not in keep and _is_acted_on(sign) else sign for sign in shown
    )


def display_json(value: object) -> str:
    """JSON in which letters stay letters, and what `display` escapes is an escape of JSON."""
    written = json.dumps(value, ensure_ascii=False, indent=1)
    return re.sub(
        r"[^\n -~]",
        lambda result: json.dumps(result[0])[1:-1] if _is_acted_on(result[0]) else result[0],
        written,
    )


def cell(value: object) -> str:
    """The value in one line, with nothing in it that Markdown acts on."""
    escaped = MARKS.sub(
        lambda result: "\\" + result[0], display(BREAKS.sub(" ", str(value)).strip(" "))
    )
    return HTML.sub(lambda matches: {"<": "&lt;", ">": "&gt;", "&": "&amp;"}[matches[0]], escaped)


def violation(text: str, longest: int = MAX_LENGTH) -> str:
    """Why the text cannot be stored as a reason or a name; empty if it can."""
    text = text.strip()
    if not text:
        return "it is empty"
    if len(text) > longest:
        return f"it has {len(text):,} characters; at most {longest} work"
    for position, sign in enumerate(text, start=1):
        if _is_acted_on(sign):
            return f"character {position} is {_escape(sign)}; one line of visible text works"
    return ""


def _is_acted_on(sign: str) -> bool:
    return unicodedata.category(sign) in ACTED_ON and sign not in HARMLESS


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape").decode()
