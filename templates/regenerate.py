"""Write the template's copies of the files that `make generate` writes in a project.

It bakes a project with marked answers, generates the files, and replaces the marks with Jinja. Run
it by `make generated` after a change of the generator. A test compares both versions.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ROOT / "{{cookiecutter.project_slug}}"
OWNERS = ("value_owner", "model_owner", "data_owner", "platform_owner")
ANSWERS = {
    "project_slug": "marked-slug",
    "description": "Marked description",
    **{owner: f"Marked {owner} <marked.{owner}@example.org>" for owner in OWNERS},
}
PAGES = ("RACI", "problem", "change_plan", "risk")
ALERTS = "monitoring/alertmanager/alertmanager.yml"
CONSTANTS = "monitoring/prometheus/governance.rules.yml"
RULES = tuple(
    f"deploy/overlays/{environment}/prometheus-rule.yaml"
    for environment in ("staging", "production")
)
FILES = (
    "CODEOWNERS",
    "catalog-info.yaml",
    "datacontract.yaml",
    ALERTS,
    CONSTANTS,
    *RULES,
    *(f"governance/{page}.md" for page in PAGES),
)


def answer(question: str, *filters: str) -> str:
    return "{{ " + " | ".join([f"cookiecutter.{question}", *filters]) + " }}"


def given(owner: str, text: str) -> str:
    """Return Jinja for a text that appears only if the owner is named."""
    return "{% if cookiecutter." + owner + " | person_name != 'TODO' %}" + text + "{% endif %}"


def routes(text: str) -> str:
    """Return the Alertmanager configuration in which an unnamed owner has the fallback receiver."""
    route, mark, receivers = text.partition("\nreceivers:\n")
    for owner in OWNERS:
        known = (
            "'person/"
            + owner
            + "' if cookiecutter."
            + owner
            + " | person_name != 'TODO' else 'fallback'"
        )
        route = route.replace(f'receiver: "person/{owner}"', 'receiver: "{{ ' + known + ' }}"')
    item = re.compile(r'^  - name: "person/(\w+)"\n(?:    .*\n)+', re.MULTILINE)
    receivers = item.sub(lambda result: given(result[1], result[0]), receivers)
    mail = re.compile(r'(?<=  - name: "fallback"\n)(?:    .*\n)+')
    return (
        route
        + mark
        + mail.sub(lambda matches: given("platform_owner", matches[0]), receivers, count=1)
    )


def unmarked(name: str, text: str) -> str:
    """Return the text with Jinja instead of the marks."""
    # These files have the braces of Prometheus's own templates.
    if name in (CONSTANTS, *RULES):
        text = re.sub(r"\{\{|\}\}", lambda matches: "{{ '" + matches[0] + "' }}", text)
        return text.replace(ANSWERS["project_slug"], answer("project_slug"))
    if name == "CODEOWNERS":
        line = re.compile(r"^.*marked\.(\w+_owner)@.*\n", re.MULTILINE)
        text = line.sub(lambda results: given(results[1], results[0]), text)
    if name == "datacontract.yaml":
        text = re.sub(
            r"^team:\n(?: .*\n)+",
            lambda result: given("data_owner", result[0]),
            text,
            flags=re.MULTILINE,
        )
    if name == ALERTS:
        text = routes(text)
    kind = (
        "quoted" if name.endswith((".yaml", ".yml")) else "markdown" if name.endswith(".md") else ""
    )
    for owner in OWNERS:
        for mark, part in (
            (f"Marked {owner}", "person_name"),
            (f"marked.{owner}@example.org", "person_email"),
        ):
            filled = answer(owner, part, *([kind] if kind else []))
            text = text.replace(f'"{mark}"' if kind == "quoted" else mark, filled)
    for question in ("project_slug", "description"):
        mark = f'"{ANSWERS[question]}"' if kind == "quoted" else ANSWERS[question]
        text = text.replace(mark, answer(question, *([kind] if kind else [])))
    # The slug is in a matcher. It has only letters, digits and hyphens, so it needs no quotes.
    if name == ALERTS:
        text = text.replace(ANSWERS["project_slug"], answer("project_slug"))
    return text


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        message = [f"{question}={given}" for question, given in ANSWERS.items()]
        bake = [
            sys.executable,
            "-m",
            "cookiecutter",
            "--no-input",
            "--default-config",
            "-o",
            folder,
            str(ROOT),
            *message,
        ]
        subprocess.run(bake, check=True, stdout=subprocess.DEVNULL)
        project = Path(folder) / ANSWERS["project_slug"]
        for name in FILES:
            (project / name).unlink(missing_ok=True)
        subprocess.run(["make", f"PYTHON={sys.executable}", "generate"], cwd=project, check=True)
        for name in FILES:
            text = unmarked(name, (project / name).read_text(encoding="utf-8"))
            if left := re.findall(r"(?i)marked[ .-]\w*", text):
                raise SystemExit(
                    f"{name}: the marks {left} remain; works: add their answer to this script"
                )
            (PRODUCT / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
