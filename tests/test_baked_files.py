"""The files of a baked project: the exact list, valid formats, correct answers, all tracked."""

import ast
import json
import re
import runpy
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from conftest import ASSETS, COMBINATIONS, ROOT, Bake, BakedProject, load_hook

TREE = ROOT / "tests" / "baked_tree.txt"
# Two bakes with the same package name differ only in these files.
FILES_WITH_ANSWERS = {
    ".cruft.json",
    "CODEOWNERS",
    "LICENSE",
    "README.md",
    "catalog-info.yaml",
    "compose.yaml",
    "datacontract.yaml",
    "deploy/overlays/production/prometheus-rule.yaml",
    "deploy/overlays/staging/prometheus-rule.yaml",
    "deploy/values/values.yaml",
    "governance/RACI.md",
    "governance/change_plan.md",
    "governance/ownership.yaml",
    "governance/problem.md",
    "governance/problem.yaml",
    "governance/risk.md",
    "monitoring/alertmanager/alertmanager.yml",
    "monitoring/prometheus/governance.rules.yml",
    "monitoring/prometheus/prometheus.yml",
    "pyproject.toml",
}
NOT_ON_WINDOWS = re.compile(
    r'[<>:"|?*\\\x00-\x1f]|[ .]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE
)


def test_tree_of_a_project_equals_the_list(bake: Bake, tmp_path: Path) -> None:
    """To accept a change, run the command of the message and review the diff."""
    named = [name.replace("/fraud_scoring/", "/<package_name>/") for name in bake().files()]
    result = [re.sub(r"(?<=/mlprod-).*(?=-py3)", "<version>", name) for name in named]
    actual = tmp_path.parent / "baked_tree.txt"
    actual.write_text("".join(f"{name}\n" for name in result))
    wanted = TREE.read_text().splitlines()
    assert {
        "new": sorted(set(result) - set(wanted)),
        "missing": sorted(set(wanted) - set(result)),
    } == {
        "new": [],
        "missing": [],
    }, f"cp {actual} {TREE}"


def test_project_stays_below_its_size_limits(bake: Bake) -> None:
    project = bake()
    assert len(project.files()) <= 110
    assert (
        sum(
            len(project.read(name).splitlines()) for name in project.files() if name.endswith(".py")
        )
        <= 300
    )


def test_cruft_skips_the_files_that_generate_writes(baked: BakedProject) -> None:
    """A merge of a generated file by cruft would conflict with the output of `make generate`."""
    assets = {path.relative_to(ASSETS).as_posix() for path in ASSETS.rglob("*") if path.is_file()}
    assert assets <= set(baked.files())
    assert [
        name for name in assets if baked.read(name) != (ASSETS / name).read_text(encoding="utf-8")
    ] == []
    skipped: set[str] = set()
    for pattern in baked.toml("pyproject.toml")["tool"]["cruft"]["skip"]:
        matched = [path for path in baked.path.glob(pattern) if path.exists()]
        assert matched, pattern
        files = [
            file for path in matched for file in ([path] if path.is_file() else path.rglob("*"))
        ]
        skipped |= {file.relative_to(baked.path).as_posix() for file in files if file.is_file()}
    of_governance = set(runpy.run_path(str(ROOT / "templates" / "regenerate.py"))["FILES"])
    yours = {"tests/test_example.py", "monitoring/prometheus/project.rules.yml"}
    assert skipped == assets | of_governance | yours


def test_no_jinja_remains(baked: BakedProject) -> None:
    for name in baked.files():
        text = baked.read(name)
        assert "cookiecutter." not in text, name
        if not name.startswith((".github/", "monitoring/", "src/")) and not name.endswith(
            "/prometheus-rule.yaml"
        ):
            assert not re.search(r"\{\{|\{%|%\}", text), name


def test_every_yaml_toml_and_json_file_is_valid(baked: BakedProject) -> None:
    parsers = {
        ".yaml": lambda t: list(yaml.safe_load_all(t)),
        ".toml": tomllib.loads,
        ".json": json.loads,
    }
    parsers[".yml"] = parsers[".yaml"]
    names = [name for name in [*baked.files(), ".cruft.json"] if Path(name).suffix in parsers]
    for name in filter(lambda n: (baked.path / n).exists(), names):
        assert parsers[Path(name).suffix](baked.read(name)), name


def test_every_python_file_is_valid_python_3_11(baked: BakedProject) -> None:
    for name in baked.files():
        if name.endswith(".py"):
            ast.parse(baked.read(name), name, feature_version=(3, 11))


def test_license_is_the_selected_one(bake: Bake) -> None:
    starts = {
        "MIT": "MIT License",
        "Apache-2.0": "Apache License",
        "Proprietary": "Copyright (c) example-org. All rights",
    }
    expressions = {
        "MIT": "MIT",
        "Apache-2.0": "Apache-2.0",
        "Proprietary": "LicenseRef-Proprietary",
    }
    for answer, start in starts.items():
        project = bake(license=answer, git_org="example-org")
        assert project.read("LICENSE").strip().startswith(start)
        assert re.search(r"\S\n\Z", project.read("LICENSE"))
        assert project.toml("pyproject.toml")["project"]["license"] == expressions[answer]
    assert "Copyright (c) the authors of Fraud Scoring\n" in bake(license="MIT").read("LICENSE")


def test_links_between_documents_have_targets(baked: BakedProject) -> None:
    for name in baked.files():
        if not name.endswith(".md"):
            continue
        text = re.sub(r"^```.*?^```", "", baked.read(name), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(<?([^)>\s]+)", text):
            if not re.match(r"[a-z]+:", target):
                path, _, anchor = target.partition("#")
                file = (baked.path / name).parent / unquote(path) if path else baked.path / name
                assert file.exists(), f"{name} links to {target}"
                assert not anchor or anchor in anchors(file), f"{name} links to {target}"


def anchors(file: Path) -> set[str]:
    """Return the anchors of the headings as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_file_name_is_valid_on_windows(baked: BakedProject) -> None:
    names = baked.files()
    assert [name for name in names for part in name.split("/") if NOT_ON_WINDOWS.search(part)] == []
    assert len({name.lower() for name in names}) == len(names)
    # Windows allows 260 characters, including the folders above.
    assert max(map(len, names)) <= 120


def test_gitignore_ignores_no_baked_file(baked: BakedProject) -> None:
    assert sorted(set(baked.files()) - set(baked.git("ls-files", "-z").split("\0"))) == []
    assert baked.git("ls-files", "--cached", "--ignored", "--exclude-standard") == ""


def test_other_answers_change_only_the_files_with_answers(bake: Bake) -> None:
    one = bake(package_name="fraud_scoring")
    answers = {
        **COMBINATIONS["everything else"],
        "package_name": "fraud_scoring",
        "ci_provider": "github",
    }
    other = bake(**answers)
    assert other.files() == one.files()
    differing = {name for name in one.files() if one.read(name) != other.read(name)}
    assert differing | {".cruft.json"} == FILES_WITH_ANSWERS


def test_another_package_name_changes_only_the_name(bake: Bake) -> None:
    one, other = bake(package_name="fraud_scoring"), bake(package_name="other_name")
    for name in one.files():
        if name != ".cruft.json":
            assert one.read(name).replace("fraud_scoring", "other_name") == other.read(
                name.replace("/fraud_scoring/", "/other_name/")
            )


def test_two_bakes_of_the_same_answers_are_equal(bake: Bake) -> None:
    one, other = bake(), bake()
    assert [(name, one.read(name)) for name in one.files()] == [
        (name, other.read(name)) for name in other.files()
    ]


@pytest.mark.parametrize("lock", ["dev", "pipeline", "serve"])
def test_every_dependency_is_rejected_as_package_name(lock: str, bake: Bake) -> None:
    refused = load_hook("pre_gen_project")["DEPENDENCIES"]
    names = re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", bake().read(f"requirements/{lock}.txt"), re.MULTILINE
    )
    normal = {re.sub(r"[-.]+", "_", name).lower() for name in names}
    assert normal
    assert sorted(normal - refused) == []
