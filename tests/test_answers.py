"""The template rejects invalid answers, all at once, before it writes a file.

Unusual but valid answers reach every format unchanged.
"""

import json
import re
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from conftest import (
    ROOT,
    UNBAKED,
    Bake,
    BakedProject,
    BakeRefusedError,
    load_hook,
    run,
    template_files,
)
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

PRE_GEN = load_hook("pre_gen_project")
OWNERS = ("value_owner", "model_owner", "data_owner", "platform_owner")
ACCEPTED = {question: example for question, (_, example) in PRE_GEN["QUESTIONS"].items()}

CONTROLS = [
    "Fraud\x00",
    "Fraud\x1b[31m",
    "Fraud\x7f",
    "Fraud\x85",
    "Fraud\ufffe",
    "Fraud\uffff",
    "\ud800",
]
NOT_OWNERS = [
    *(
        "",
        " ",
        "todo",
        "Your Name",
        "you@example.org",
        "<you@example.org>",
        "Your Name <>",
        "Your Name <you>",
    ),
    *(
        "Your Name <you@>",
        "Your Name <@example.org>",
        "Your Name <you@example.org",
        "Your Name <y u@example.org>",
    ),
    *(
        "A <a@example.org>, B <b@example.org>",
        "A <a@example.org>; B <b@example.org>",
        "A and B <ab@example.org>",
    ),
    *(
        "A & B <ab@example.org>",
        "A, B <ab@example.org>",
        "A <a@example.org>\nB <b@example.org>",
        "A\x00 <a@b.org>",
    ),
]
INVALID = {
    "project_name": ["", "   ", "\n\t", "\u200b", *CONTROLS],
    "project_slug": [
        *(
            "",
            ".",
            "..",
            "a/b",
            "../fraud",
            "/fraud",
            "a\\b",
            "Fraud",
            "fraud_scoring",
            "fraud scoring",
            "-fraud",
        ),
        *(
            "fraud-",
            "3s",
            "s" * 51,
            "s" * 9000,
            "fraud.scoring",
            "betrüge",
            "con",
            "com1",
            "numpy",
            "fraud\n",
        ),
    ],
    "package_name": [
        *(
            "",
            "fraud-scoring",
            "fraud scoring",
            "fraud.scoring",
            "3s",
            "_fraud",
            "Fraud",
            "p" * 41,
            "class",
            "lambda",
        ),
        *(
            "json",
            "test",
            "cgi",
            "imp",
            "numpy",
            "sklearn",
            "yaml",
            "fastapi",
            "tests",
            "nul",
            "süß",
            "fraud\n",
        ),
    ],
    "description": ["", " ", *CONTROLS],
    "git_org": [
        "",
        " ",
        "my org",
        "a/b",
        "https://git.example.org/team",
        "-org",
        "org\n",
        "team@example.org",
        "örg",
    ],
    **dict.fromkeys(OWNERS, NOT_OWNERS),
}

UNUSUAL = {
    "double quotes": 'The "real" one',
    "single quotes": "It's ''' here",
    "three quotes": 'a """ b',
    "colon": "Fraud: the scoring",
    "colon at the end": "Fraud:",
    "hash": "Fraud # not a comment",
    "hashes at the end": "Written in C #",
    "heading": "# Fraud",
    "backslash": r"C:\new\table \u0041 \x",
    "backslash at the end": "ends with \\",
    "shell variable": "${HOME} $HOME $$",
    "command": "$(touch pwned) `touch pwned`",
    "python": "'''); import os; os.system('touch pwned') #",
    "percent": "100 %(name)s %s %d",
    "braces": "{name} } { }} %}",
    "yaml": "- [a, {b: c}] & *d !e |",
    "yaml document": "--- ...",
    "yaml yes": "Yes",
    "yaml null": "null",
    "yaml tilde": "~ ~~",
    "number": "007",
    "list": "1. Fraud",
    "html": "<script>alert(1)</script> &amp; &lt; a < b > c",
    "html comment": "<!-- hidden",
    "markdown": "*a* _b_ __c__ `d` [e](f) ![g](h) ~~i~~ | j | snake_case_name",
    "link": "[e]: https://example.org",
    "accents": "Détection de la fraude à l'été, Größe",
    "no-break space": "Prix\u00a0: 5\u202f€",
    "chinese": "欺诈评分",
    "arabic and right-to-left marks": "\u200fاحتيال\u200e \u202bx\u202c",
    "emoji": "Fraud 🕵️‍♀️ 🚀",
    "byte order mark": "Fraud \ufeffscoring",
    "newlines": "Fraud\nscoring\r\n  at\tnight",
    "line separators": "Fraud\u2028scoring\u2029here",
    "spaces around": "  Fraud scoring  ",
    "9,000 characters": "Fraud " * 1500,
    "9,000 signs without a space": "é" * 9000,
}


def folded(answer: str) -> str:
    return re.sub("[ \t\r\n\u2028\u2029]+", " ", answer).strip(" ")


def shown(answer: str) -> str:
    """Return the answer as a page shows it: characters that turn or hide text are escapes."""
    # Joiners of letters, and marks of direction.
    harmless = "\u061c\u200c\u200d\u200e\u200f"
    return "".join(
        sign.encode("unicode_escape").decode()
        if unicodedata.category(sign) == "Cf" and sign not in harmless
        else sign
        for sign in folded(answer)
    )


def assert_means(project: BakedProject, answers: dict[str, str]) -> None:
    """Assert that every format of the project contains the answers unchanged."""
    subject = project.toml("pyproject.toml")["project"]
    assert (
        subject["name"]
        == project.path.name
        == project.yaml("governance/ownership.yaml")["system"]["name"]
    )
    heading, paragraph, *_ = project.shown("README.md")
    if name := answers.get("project_name"):
        assert heading.strip() == shown(name).strip()
        assert folded(name) in project.read("LICENSE")
    if description := answers.get("description"):
        assert subject["description"] == folded(description)
        assert paragraph.strip() == shown(description).strip()
    people = {
        person["id"]: person for person in project.yaml("governance/ownership.yaml")["people"]
    }
    for role in OWNERS:
        name, email = people[role]["name"], people[role]["email"]
        whole = name if name == email == "TODO" else f"{name} <{email}>"
        assert whole == folded(answers.get(role, "TODO"))


@pytest.mark.parametrize(
    ("question", "answer"), [(q, a) for q, answers in INVALID.items() for a in answers]
)
def test_invalid_answer_is_rejected_with_error_given_value_and_example(
    question: str, answer: str
) -> None:
    (line,) = PRE_GEN["refusals"]({**ACCEPTED, question: answer})
    error, given, works = (
        line.split("; given: ")[0],
        line.split("; given: ")[1],
        line.rpartition("; works: ")[2],
    )
    assert error.startswith((f"{question} is ", f"{question} contains "))
    assert given.startswith(ascii(answer)[:20]) or given.startswith(repr(answer)[:20])
    assert works == ACCEPTED[question]
    assert len(line) < 300
    assert line.isprintable()


@pytest.mark.parametrize("check", ["visible_text", "slug", "package", "owner", "organization"])
def test_examples_in_each_validator_docstring_are_correct(check: str) -> None:
    examples = re.search(r"Good: (.*)\n\s*Bad: ?(.*)", PRE_GEN[check].__doc__ or "")
    assert examples
    good, bad = examples.groups()
    assert [a for a in good.split(" | ") if PRE_GEN[check](a)] == []
    assert [
        a for a in bad.split("| " if check == "visible_text" else " | ") if not PRE_GEN[check](a)
    ] == []


def test_all_errors_are_reported_at_once_and_no_file_remains(tmp_path: Path) -> None:
    answers = {
        "project_name": " ",
        "project_slug": "fraud",
        "package_name": "json",
        "description": "\x07",
    }
    answers |= {**dict.fromkeys(OWNERS, "nobody"), "git_org": "a b"}
    with pytest.raises(FailedHookException) as refused:
        cookiecutter(str(ROOT), no_input=True, extra_context=answers, output_dir=str(tmp_path))
    assert [line.split()[0] for line in str(refused.value).splitlines()] == [
        q for q in answers if q != "project_slug"
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("slug", ["", ".", "..", "a/b", "../beside", "s" * 300])
def test_invalid_slug_creates_no_folder(slug: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    with pytest.raises(FailedHookException, match="project_slug is not a DNS label"):
        cookiecutter(
            str(ROOT), no_input=True, extra_context={"project_slug": slug}, output_dir=str(output)
        )
    assert list(tmp_path.rglob("*")) == [output]


def test_command_prints_only_the_errors_and_fails(tmp_path: Path) -> None:
    done = run(
        "cookiecutter",
        "--no-input",
        ROOT,
        "-o",
        tmp_path,
        "package_name=tests",
        "git_org=a b",
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert [line.split()[0] for line in (done.stdout + done.stderr).splitlines()] == [
        "package_name",
        "git_org",
    ]
    assert list(tmp_path.iterdir()) == []


def test_hook_rejects_an_invalid_answer_of_a_replay(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config, replay = tmp_path / "user.yaml", tmp_path / f"{ROOT.name}.json"
    config.write_text(f"replay_dir: {tmp_path}\n")
    cookiecutter(
        str(ROOT), no_input=True, output_dir=str(tmp_path / "good"), config_file=str(config)
    )
    answers = json.loads(replay.read_text())
    answers["cookiecutter"]["value_owner"] = "nobody"
    replay.write_text(json.dumps(answers))
    with pytest.raises(FailedHookException):
        cookiecutter(
            str(ROOT), replay=True, output_dir=str(tmp_path / "bad"), config_file=str(config)
        )
    assert (
        "value_owner is neither 'Name <email>' nor TODO; given: 'nobody'" in capfd.readouterr().err
    )
    assert list((tmp_path / "bad").iterdir()) == []


def test_unknown_choice_is_rejected(bake: Bake) -> None:
    for question in ("ci_provider", "license"):
        with pytest.raises(
            BakeRefusedError, match=f"other provided for choice variable {question}"
        ):
            bake(**{question: "other"})


@pytest.mark.parametrize("answer", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_answer_is_unchanged_in_every_format(
    answer: str, small: Path, tmp_path: Path
) -> None:
    answers = {"project_name": answer, "description": answer}
    assert_means(render(small, tmp_path, answers), answers)


@pytest.mark.parametrize(
    "owner",
    [
        "TODO",
        " TODO ",
        "Zoë O'Brien <zoe.o'brien+ml@sub.example.org>",
        'The "One": #1 <x@example.org>',
        "王 <wang@例え.org>",
    ],
)
def test_unusual_owner_is_unchanged(owner: str, small: Path, tmp_path: Path) -> None:
    assert_means(
        render(small, tmp_path, dict.fromkeys(OWNERS, owner)), dict.fromkeys(OWNERS, owner)
    )


@pytest.mark.parametrize(
    ("name", "slug", "package"),
    [
        ("Fraud Scoring", "fraud-scoring", "fraud_scoring"),
        ("42 Cats", "ml-42-cats", "ml_42_cats"),
        ("🚀", "ml", "ml"),
        ("Zoë's R&D: Größe!", "zoe-s-r-d-grosse", "zoe_s_r_d_grosse"),
        (
            "Predicting the late payment of invoices by large customers",
            "predicting-the-late-payment-of-invoices-by-large",
            None,
        ),
        ("x" * 9000, "x" * 50, "x" * 40),
    ],
)
def test_slug_and_package_are_derived_from_any_project_name(
    name: str, slug: str, package: str | None, small: Path, tmp_path: Path
) -> None:
    project = render(small, tmp_path, {"project_name": name})
    assert project.path.name == slug
    assert project.toml("pyproject.toml")["tool"]["flit"]["module"]["name"] == (
        package or "predicting_the_late_payment_of_invoices"
    )


def test_shell_code_in_an_answer_is_not_executed(
    bake: Bake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    attack = (
        '$(touch pwned) `touch pwned`; touch pwned \'\'\' """ "), '
        "__import__('os').system('touch pwned') #\\"
    )
    project = bake(
        project_name=attack,
        description=attack,
        value_owner=f"{attack.replace('; ', ' ').replace(',', '')} <x@example.org>",
    )
    assert not list(tmp_path.rglob("pwned"))
    assert project.git("log", "--format=%s") == "First commit\n"


def test_cookiecutter_evaluates_braces_in_an_answer_as_documented(
    small: Path, tmp_path: Path
) -> None:
    project = render(small, tmp_path, {"description": "{{ 6 * 7 }} answers"})
    assert project.toml("pyproject.toml")["project"]["description"] == "42 answers"
    assert "evaluates" in (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("braces", ["{{ name }}", "{% raw %}", "{# note #}"])
def test_braces_typed_at_a_prompt_are_rejected(
    braces: str,
) -> None:
    (line,) = PRE_GEN["refusals"]({**ACCEPTED, "description": braces})
    assert "which Cookiecutter evaluates" in line


SIGNS = st.text(st.characters(codec=None, exclude_categories=[]), min_size=1, max_size=60)
TRICKY = st.text(
    "#`*_~[]()<>&;|!\\\"'${}:-+=.0123 \n\tné🚀\u200f\u2028\ufeff", min_size=1, max_size=40
)
PERSONS = st.builds(
    "{} <{}@{}.org>".format, TRICKY, st.text("aé.+'", min_size=1), st.text("abé0-", min_size=1)
)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(name=SIGNS | TRICKY, description=SIGNS | TRICKY, owner=st.just("TODO") | PERSONS)
@example(name="1)", description="+ a", owner="A <a@b.org>")
def test_any_answer_is_rejected_with_a_reason_or_unchanged(
    name: str, description: str, owner: str, small: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    answers = {"project_name": name, "description": description, **dict.fromkeys(OWNERS, owner)}
    # Cookiecutter evaluates these; other tests check them.
    braces = {q: a for q, a in answers.items() if re.search(r"\{[{%#]", a)}
    answers |= dict.fromkeys(braces, "TODO")
    try:
        project = render(
            small, tmp_path_factory.mktemp("any"), {"project_slug": "fraud", **answers}
        )
    except FailedHookException as refused:
        assert {line.split()[0] for line in str(refused).splitlines()} <= answers.keys()  # noqa: PT017
    else:
        assert_means(project, answers)
        shutil.rmtree(project.path)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the template with only the files that contain answers, for quick bakes."""
    folder = tmp_path_factory.mktemp("small")
    for name in template_files():
        inside = name.startswith(UNBAKED.name)
        if not inside and not name.startswith(
            ("cookiecutter.json", "local_extensions.py", "hooks/", "templates/")
        ):
            continue
        if inside and (
            name.endswith(".py") or not re.search(rb"\{\{|\{%", (ROOT / name).read_bytes())
        ):
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "user.yaml").write_text(
        f"cookiecutters_dir: {folder}/clones\nreplay_dir: {folder}/replay\n"
    )
    return folder


def render(small: Path, output: Path, answers: dict[str, Any]) -> BakedProject:
    made = cookiecutter(
        str(small),
        no_input=True,
        extra_context=answers,
        output_dir=str(output),
        config_file=str(small / "user.yaml"),
        accept_hooks=False,
    )
    return BakedProject(Path(made))
