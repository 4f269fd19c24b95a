"""Jinja filters that write answers into the files of the baked project."""

# An older Python must reach the message that names the required version.
from __future__ import annotations

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
# The library's own functions, so that `make generate` writes the same text as the bake.
TEXT = runpy.run_path(str(TEMPLATE / "mlprod" / "src" / "mlprod" / "display" / "plain_text.py"))


def folded(value: str) -> str:
    """Return the value as one line; each run of spaces, tabs and line breaks becomes one space."""
    return str(TEXT["BREAKS"].sub(" ", str(value)).strip(" "))


def quoted(value: str) -> str:
    """Return the folded value as a quoted string that YAML, TOML and JSON read back unchanged."""
    # TOML does not accept an emoji as two escapes (\\ud83d\\ude00).
    return json.dumps(folded(value), ensure_ascii=False)


def markdown(value: str) -> str:
    """Return the folded value so that Markdown shows it unchanged.

    Characters that change the direction of other text become escapes.
    """
    return str(TEXT["cell"](value))


def person_name(owner: str) -> str:
    """Return the name in "Name <email>"; "TODO" stays "TODO"."""
    result = PERSON.fullmatch(folded(owner))
    return result["name"] if result else folded(owner)


def person_email(owner: str) -> str:
    """Return the e-mail address in "Name <email>"; "TODO" stays "TODO"."""
    result = PERSON.fullmatch(folded(owner))
    return result["email"] if result else folded(owner)


def accepted(answers: dict[str, Any]) -> str:
    """Check all answers as the pre_gen hook does, and return "yes".

    Raises FailedHookException with every error. Cookiecutter calls this filter before it creates a
    folder. The hook itself runs too late: a slug `a/b` has created the folder `a` by then, and
    Cookiecutter prints a traceback after a failed hook. The hook remains for a replay, which does
    not render private variables.
    """
    refused = "\n".join(
        runpy.run_path(str(TEMPLATE / "hooks" / "pre_gen_project.py"))["refusals"](answers)
    )
    if refused:
        raise FailedHookException(refused)
    answers["package_name"] = package_of_today(answers, updated_project())
    return "yes"


def updated_project() -> Path:
    """Return the project that cruft updates or compares.

    It is the folder in --project-dir, by default the current folder.
    """
    options = [argument.partition("=") for argument in sys.argv]
    for number, (option, _, value) in enumerate(options):
        if option in ("-p", "--project-dir"):
            return Path(value or "".join(sys.argv[number + 1 : number + 2]) or ".")
    return Path()


def package_of_today(answers: dict[str, Any], project: Path) -> str:
    """Return the current name of the package, which a project may have renamed since its bake.

    An update by cruft skips files that the project does not have. With the old name it would skip
    every change of the package. Raises FailedHookException if .cruft.json must name the package
    first.
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
        # The current folder is another project; this is a new bake.
        return name
    works = f"Works: write its name as package_name into {link}, commit, and update again"
    if len(packages) != 1:
        given = (
            f"src/ has the packages {', '.join(packages)}"
            if packages
            else "no folder of src/ has a __main__.py"
        )
        raise FailedHookException(f"{link}: the package is {name}, but {given}. {works}")
    if not _knew_renames(state["commit"]):
        raise FailedHookException(
            f"{link}: the package is {name}, but its name is {packages[0]} now. {works}"
        )
    print(
        f"{link}: the package {name} is now {packages[0]}; the update uses that name",
        file=sys.stderr,
    )
    return packages[0]


def _knew_renames(commit: str) -> bool:
    """Return whether the template of that commit also bakes the renamed package.

    Only then can cruft compare the two bakes.
    """
    shown = ["git", "-C", str(TEMPLATE), "show", f"{commit}:{Path(__file__).name}"]
    return (
        package_of_today.__name__
        in subprocess.run(shown, capture_output=True, text=True, check=False).stdout
    )


class Filters(Extension):
    """Jinja extension with the filters above, the folder of the template and the date of today."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        if sys.version_info[:2] < tuple(OLDEST):
            raise FailedHookException(
                f"this template needs Python 3.11 or later, and its projects need 3.11 to 3.13; "
                f"given: Cookiecutter on Python {sys.version.split()[0]}; "
                "works: uvx --python 3.13 cookiecutter ..."
            )
        filters: dict[str, Any] = {
            f.__name__: f for f in (folded, quoted, markdown, person_name, person_email, accepted)
        }
        environment.filters.update(filters)
        environment.globals["template_folder"] = str(TEMPLATE)
        environment.globals["today"] = lambda: (
            datetime.datetime.now(datetime.UTC).date().isoformat()
        )
        # `cruft update` bakes the old and the new template in one process. The second bake must
        # load its own module.
        sys.modules.pop(__name__, None)
