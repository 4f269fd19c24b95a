"""Jinja filters through which answers reach the files of the baked project."""

from __future__ import annotations  # an older Python must get as far as the message for it

import datetime
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

OLDEST = (3, 11)
PERSON = re.compile(r"(?P<name>.*?) *<(?P<email>.*)>", re.DOTALL)
TEMPLATE = Path(__file__).resolve().parent
LINK = ".cruft.json"
# The library's own functions, so that `make generate` shows the same text as the bake:
TEXT = runpy.run_path(str(TEMPLATE / "mlprod" / "src" / "mlprod" / "display" / "plain_text.py"))


def folded(value: str) -> str:
    """Return the value as one line: every run of spaces, tabs and line breaks becomes one space."""
    return str(TEXT["BREAKS"].sub(" ", str(value)).strip(" "))


def quoted(value: str) -> str:
    """Return the folded value as a quoted string that YAML, TOML and JSON all read back as it was
    answered.
    """
    return json.dumps(
        folded(value), ensure_ascii=False
    )  # TOML knows no \\ud83d\\ude00: an emoji must stay itself


def markdown(value: str) -> str:
    """Return the folded value so that Markdown shows it as it was answered, and what turns other
    text as an escape.
    """
    return str(TEXT["cell"](value))


def person_name(owner: str) -> str:
    """Return the name in "Name <email>"; "TODO" stays "TODO"."""
    found = PERSON.fullmatch(folded(owner))
    return found["name"] if found else folded(owner)


def person_email(owner: str) -> str:
    """Return the e-mail address in "Name <email>"; "TODO" stays "TODO"."""
    found = PERSON.fullmatch(folded(owner))
    return found["email"] if found else folded(owner)


def accepted(answers: dict[str, Any]) -> str:
    """Raise FailedHookException with every refusal of the pre_gen hook; return "yes" when there is
    none.

    Asked before Cookiecutter makes a folder: the hook itself comes after `a/b` has made `a`, and
    Cookiecutter follows a failed hook with a traceback. The hook still guards a replay, which
    renders no private variable.
    """
    refused = "\n".join(
        runpy.run_path(str(TEMPLATE / "hooks" / "pre_gen_project.py"))["refusals"](answers)
    )
    if refused:
        raise FailedHookException(refused)
    answers["package_name"] = package_of_today(answers, updated_project())
    return "yes"


def updated_project() -> Path:
    """The project that cruft updates or compares: the folder it was started in, or was told."""
    words = [word.partition("=") for word in sys.argv]
    for number, (option, _, value) in enumerate(words):
        if option in ("-p", "--project-dir"):
            return Path(value or "".join(sys.argv[number + 1 : number + 2]) or ".")
    return Path()


def package_of_today(answers: dict[str, Any], project: Path) -> str:
    """The package's name, also where the project renamed its folder since it was baked.

    cruft leaves out of an update what the project does not have: with the old name, every change of
    the package. Raises FailedHookException where the name has to be written down first.
    """
    name, link = str(answers["package_name"]), project / LINK
    packages = [path.parent.name for path in sorted(project.glob("src/*/__main__.py"))]
    if name in packages or not link.is_file():
        return name
    state = json.loads(link.read_text(encoding="utf-8"))
    baked = state["context"]["cookiecutter"]
    if any(
        baked.get(question, answer) != answer
        for question, answer in answers.items()
        if question[0] != "_"
    ):
        return name  # another project, baked by somebody who happens to be in this folder
    works = f"write its name as package_name into {link}, commit, and update again"
    if len(packages) != 1:
        found = (
            f"there are {', '.join(packages)}"
            if packages
            else "no folder of src/ holds a __main__.py"
        )
        raise FailedHookException(f"{link}: the package is {name}, but {found}; {works}")
    if not _knew_renames(state["commit"]):
        raise FailedHookException(
            f"{link}: the package is {name}, but it is called {packages[0]} now; {works}"
        )
    print(
        f"{link}: the package {name} is called {packages[0]} now, and is updated under that name",
        file=sys.stderr,
    )
    return packages[0]


def _knew_renames(commit: str) -> bool:
    """Whether the template of that commit bakes the renamed package too, so that the two bakes can
    be compared.
    """
    shown = ["git", "-C", str(TEMPLATE), "show", f"{commit}:{Path(__file__).name}"]
    return (
        package_of_today.__name__
        in subprocess.run(shown, capture_output=True, text=True, check=False).stdout
    )


class Filters(Extension):
    """The filters above, under their own names, and where the template lies."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        if sys.version_info[:2] < tuple(OLDEST):
            raise FailedHookException(
                f"Cookiecutter runs on Python {sys.version.split()[0]}; this template "
                f"needs Python 3.11 or later, and "
                "its projects 3.11 to 3.13. Works: uvx --python 3.13 cookiecutter ..."
            )
        filters: dict[str, Any] = {
            f.__name__: f for f in (folded, quoted, markdown, person_name, person_email, accepted)
        }
        environment.filters.update(filters)
        environment.globals["template_folder"] = str(TEMPLATE)
        environment.globals["today"] = lambda: (
            datetime.datetime.now(datetime.UTC).date().isoformat()
        )
        # `cruft update` bakes the old and the new template in one process: the next bake must not
        # get this module.
        sys.modules.pop(__name__, None)
