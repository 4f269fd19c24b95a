"""Show and store text without characters that a terminal or a page interprets.

Standard library only: local_extensions.py of the template loads this file by its path.
"""

import json
import re
import unicodedata

MAX_LENGTH = 500
# Unicode categories: control, format (bidirectional), surrogate, line and paragraph separator.
CONTROL_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")
# Joiners of letters and emoji, which Persian and Hindi need, and direction marks, which do not
# reverse letters.
HARMLESS = "\u061c\u200c\u200d\u200e\u200f"
# Characters that YAML folds, or that an editor shows as a new line.
BREAKS = re.compile("[ \t\r\n\u2028\u2029]+")
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
    """Return the text with escapes, such as \\x1b, for control characters.

    These are characters that would move, hide or reverse the text around them. `keep` are
    characters that stay, such as the line break of a message of several lines.
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(
        _escape(character) if character not in keep and _is_control(character) else character
        for character in shown
    )


def display_json(value: object) -> str:
    """Return JSON with letters as they are, and JSON escapes for what `display` escapes."""
    written = json.dumps(value, ensure_ascii=False, indent=1)
    return re.sub(
        r"[^\n -~]",
        lambda result: json.dumps(result[0])[1:-1] if _is_control(result[0]) else result[0],
        written,
    )


def cell(value: object) -> str:
    """Return the value in one line, with escapes for characters that Markdown interprets."""
    escaped = MARKS.sub(
        lambda result: "\\" + result[0], display(BREAKS.sub(" ", str(value)).strip(" "))
    )
    return HTML.sub(lambda matches: {"<": "&lt;", ">": "&gt;", "&": "&amp;"}[matches[0]], escaped)


def text_violation(text: str, longest: int = MAX_LENGTH) -> str:
    """Return why the text cannot be stored as a reason or a name; empty if it can."""
    text = text.strip()
    if not text:
        return "it is empty"
    if len(text) > longest:
        return f"it has {len(text):,} characters; at most {longest} are allowed"
    for position, character in enumerate(text, start=1):
        if _is_control(character):
            shown = _escape(character)
            return f"character {position} is {shown}; only one line of visible text is allowed"
    return ""


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in CONTROL_CATEGORIES and character not in HARMLESS


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
