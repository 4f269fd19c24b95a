"""Jinja filters through which answers reach the files of the baked project."""

import json
import re
import runpy
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

BREAKS = re.compile("[ \t\r\n\u2028\u2029]+")  # what YAML folds or an editor shows as a new line
PERSON = re.compile(r"(?P<name>.*?) *<(?P<email>.*)>", re.DOTALL)
MARKDOWN = re.compile(
    r"""[\\`*\[\]|~$]              # code, emphasis, links, tables, strike-through, formulas
    |(?<![^\W_])_|_(?![^\W_])      # emphasis, but not the underscore inside snake_case
    |(?<!\S)\#                     # heading, and the hashes that close one
    |^[-+=](?!\w)                  # list, rule, underlined heading
    |(?<=^\d)[.)]|(?<=^\d\d)[.)]   # numbered list
    """,
    re.VERBOSE,
)
HTML = re.compile(r"[<>]|&(?=#?\w+;)")
TEMPLATE = Path(__file__).resolve().parent


def folded(value: str) -> str:
    """Return the value as one line: every run of spaces, tabs and line breaks becomes one space."""
    return BREAKS.sub(" ", str(value)).strip(" ")


def quoted(value: str) -> str:
    """Return the folded value as a quoted string that YAML, TOML and JSON all read back as it was answered."""
    return json.dumps(folded(value), ensure_ascii=False)  # TOML knows no \\ud83d\\ude00: an emoji must stay itself


def markdown(value: str) -> str:
    """Return the folded value so that Markdown shows it as it was answered."""
    escaped = MARKDOWN.sub(lambda found: "\\" + found[0], folded(value))
    return HTML.sub(lambda found: {"<": "&lt;", ">": "&gt;", "&": "&amp;"}[found[0]], escaped)


def person_name(owner: str) -> str:
    """Return the name in "Name <email>"; "TODO" stays "TODO"."""
    found = PERSON.fullmatch(folded(owner))
    return found["name"] if found else folded(owner)


def person_email(owner: str) -> str:
    """Return the e-mail address in "Name <email>"; "TODO" stays "TODO"."""
    found = PERSON.fullmatch(folded(owner))
    return found["email"] if found else folded(owner)


def accepted(answers: dict[str, Any]) -> str:
    """Raise FailedHookException with every refusal of the pre_gen hook; return "yes" when there is none.

    Asked before Cookiecutter makes a folder: the hook itself comes after `a/b` has made `a`, and Cookiecutter
    follows a failed hook with a traceback. The hook still guards a replay, which renders no private variable.
    """
    refused = "\n".join(runpy.run_path(str(TEMPLATE / "hooks" / "pre_gen_project.py"))["refusals"](answers))
    if refused:
        raise FailedHookException(refused)
    return "yes"


class Filters(Extension):
    """The filters above, under their own names, and where the template lies."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        filters: dict[str, Any] = {
            f.__name__: f for f in (folded, quoted, markdown, person_name, person_email, accepted)
        }
        environment.filters.update(filters)
        environment.globals["template_folder"] = str(TEMPLATE)
        environment.globals["today"] = lambda: datetime.now(UTC).date().isoformat()
        # `cruft update` bakes the old and the new template in one process: the next bake must not get this module.
        sys.modules.pop(__name__, None)
