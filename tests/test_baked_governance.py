"""Governance in a baked project by its own commands, in a fresh and in a filled project. Slow."""

import json
import re
import subprocess
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import BakedProject, baking
from test_answers import OWNERS, UNUSUAL
from test_baked_life import Project, edit, environment, post, post_json, project, wait_for_version
from test_baked_operations import ROUTES, alertmanager, fill_in, needs_prometheus

__all__ = ["environment", "project"]  # fixtures
pytestmark = pytest.mark.slow


def scorecard(project: Project, stage: str, **more: str) -> tuple[int, dict[str, Any]]:
    done = project.make("-s", "readiness", f"STAGE={stage}", "FORMAT=json", **more)
    result: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, result


def missing_checks(card: dict[str, Any]) -> dict[str, str]:
    """Return the required checks that are not met, with their status."""
    met = ("passed", "waived", "not applicable")
    return {
        check["id"]: check["status"]
        for check in card["checks"]
        if check["demanded"] and check["status"] not in met
    }


def committed(project: Project) -> None:
    project.baked.git("add", "-A")
    project.baked.git("-c", "core.hooksPath=/dev/null", "commit", "-qm", "Filled, by a test")


def test_fresh_project_passes_poc_and_lists_the_checks_of_pilot_and_production(
    project: Project,
) -> None:
    message = project.makes("-s", "readiness")
    assert "Next, by person:" in message
    assert len(re.findall(r"^  .*: .*\(", message, re.MULTILINE)) <= 10
    assert scorecard(project, "poc")[0] == 0
    for stage in ("pilot", "production"):
        code, result = scorecard(project, stage)
        assert code != 0
        for check in result["checks"]:
            if check["id"] in missing_checks(result):
                assert check["accountable"].startswith("TODO ("), check
                assert check["fix"] or any("governance/" in text for text in check["says"]), check
    refused = project.make("promote", "ENVIRONMENT=staging", REASON="it is time")
    assert refused.returncode != 0
    assert not project.baked.git("status", "--porcelain"), "readiness must not change a file"


def own_domain(project: Project) -> None:
    """Edit the project as a team does: declare its rows as real, and add the new category.

    The category first occurs on day 75.
    """
    changes = {
        "data.py": {
            r"SYNTHETIC = .*\n": "",
            r"MERCHANTS \+ \(.*\)\n": "MERCHANTS if day >= NEW_MERCHANT_DAY else MERCHANTS[:-1]\n",
        },
        "contract.py": {r'"travel"\]': '"travel", "vouchers"]'},
    }
    for name, edits in changes.items():
        text = (project.source / name).read_text()
        for pattern, new in edits.items():
            text, count = re.subn(pattern, new, text)
            assert count == 1, pattern
        (project.source / name).write_text(text)
    tests = project.path / "tests" / "test_example.py"
    result = re.sub(r"def test_vouchers_appear.*?\n\n\n", "", tests.read_text(), flags=re.DOTALL)
    result = re.sub(r"from mlprod.*\n|from \w+ import data\n|NEW_MERCHANT_DAY, ", "", result)
    tests.write_text(result)


def next_day(project: Project) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the payments of the day after the training data with their ids, and their labels."""
    python = project.python
    script = """if True:
        import json
        from datetime import datetime
        from fraud_scoring import contract, data
        known = data.load(datetime(2026, 4, 11), datetime(2026, 5, 3))
        rows = known.filter(known["at"] < datetime(2026, 4, 12)).to_pyarrow().to_pylist()
        fields = list(contract.Transaction.model_fields)
        requested = [
            {"id": row["transaction_id"]} | {f: row[f] for f in fields if row[f] is not None}
            for row in rows
        ]
        print(json.dumps([requested, {row["transaction_id"]: row["fraud"] for row in rows}]))
    """
    done = subprocess.run(
        [python, "-c", script], cwd=project.path, capture_output=True, text=True, check=True
    )
    rows, labels = json.loads(done.stdout)
    return rows, labels


@pytest.mark.sampled("what takes five minutes")
@needs_prometheus
def test_filled_example_passes_pilot_with_evidence_of_its_commands(
    project: Project, tmp_path: Path
) -> None:
    fill_in(project)
    own_domain(project)
    assert "differs" in project.make("check").stdout
    project.makes("generate")
    committed(project)
    project.makes("validate")
    project.makes("baseline")
    project.makes("promote", REASON="the service needs a model")
    project.makes("train")
    project.makes("promote", REASON="it beats the rule")
    assert "passed hyperparameters-tuned: none of 9 settings surely better" in project.makes("tune")
    assert re.search(r"31\.\d days older: worth", project.makes("staleness"))
    assert "passed dependencies-watched: the columns are those of version 2" in project.makes(
        "check-source"
    )
    for owner, check in (("cy", "field-cost-known"), ("bea", "inclusion-looked-at")):
        author = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "user.email",
            "GIT_CONFIG_VALUE_0": f"{owner}@example.org",
        }
        project.makes("attest", f"CHECK={check}", REASON="invented, for a test", **author)
    with project.serving() as address:
        wait_for_version(address, "2")
        for drill in ("smoke-test", "kill-switch-drill", "rollback-drill"):
            assert "FAILED" not in project.makes(drill, f"URL={address}")
        rows, labels = next_day(project)
        assert len(post(f"{address}/v1/predict", rows)["predictions"]) == 1_000
        known = [
            {"prediction_id": id, "outcome": fraud, "at": "2026-05-01T12:00:00Z"}
            for id, fraud in labels.items()
        ]
        assert post_json(f"{address}/v1/outcomes", {"outcomes": known})["accepted"] == 1_000
    # The test wrote this file.
    (project.path / "serve.log").unlink()
    # The training data has no vouchers, but the contract has the category.
    drifted = "merchant has drifted (1,000 rows compared)"
    assert drifted in project.make("drift").stdout
    assert "<h2>" in (project.path / "var" / "drift" / "report.html").read_text()
    assert "over 1,000 cases" in project.makes("collect-evidence")
    assert "no alert is active" in project.makes("check-alerts")
    with alertmanager(project.path / ROUTES, tmp_path / "alertmanager") as address:
        assert "passed alert-reaches-owner" in project.makes(
            "alert-drill", f"URL={address}", "DURATION=0"
        )
    assert re.search(r"\d+ passed", project.makes("ci"))
    assert not project.baked.git("status", "--porcelain"), (
        "make ci must leave no file that git would add"
    )

    code, result = scorecard(project, "pilot")
    assert missing_checks(result) == {"sbom": "unmeasured"}
    assert code != 0
    assert result["payoff"] == "assumed"
    assert re.search(r"\d decisions a month pay for the running costs", result["break_even"])
    # The project has no canary release, and no load test of half an hour.
    shown = {"Data": 6.5, "Model": 6.5, "Infrastructure": 6, "Monitoring": 6}
    assert result["ml_test_score"] == {"score": 6} | shown, {
        t["id"]: t["why"] for t in result["ml_tests"] if t["points"] < 1
    }
    assert result["ml_test_score_missing"] == {}
    (project.path.parent / "ml_test_score.json").write_text(
        json.dumps(result["ml_tests"], indent=1)
    )
    refused = project.make("promote", "ENVIRONMENT=staging", "VERSION=1", REASON="it is time")
    assert refused.returncode != 0
    assert "sbom (unmeasured)" in refused.stderr

    until = date.today() + timedelta(days=180)
    waivers = project.path / "governance" / "waivers.yaml"
    facts = f"reason: not today, risk: nobody knows, approved_by: platform_owner, expires: {until}"
    waivers.write_text(f"waivers:\n  - {{check: sbom, {facts}}}\n")
    assert "governance.rules.yml" in project.makes("generate"), (
        "an alert must announce the end of the waiver"
    )
    assert f"WAIVED until {until}: sbom" in project.makes("-s", "readiness", "STAGE=pilot")
    waivers.unlink()
    project.makes("generate")
    assert "passed sbom" in project.makes("sbom")
    project.makes("advance-stage", "STAGE=pilot")
    assert "stage: pilot" in (project.path / "governance" / "ownership.yaml").read_text()
    project.makes("generate")
    assert "version 2 -> 1" in project.makes(
        "promote", "ENVIRONMENT=staging", "VERSION=1", REASON="a test of the path"
    )
    project.makes("promote", "ENVIRONMENT=staging", "VERSION=2", REASON="and forward")
    code, result = scorecard(project, "production")
    assert code != 0
    assert "training-done" in missing_checks(result)
    assert missing_checks(result)["tests-green"] == "stale", (
        "manual evidence does not count for production"
    )

    (project.path / "README.md").write_text("Edited.\n")
    assert scorecard(project, "pilot")[0] == 0, "an edited README must not make evidence stale"
    model = project.source / "model.py"
    edit(model, "max_iter=120", "max_iter=121")
    stale = missing_checks(scorecard(project, "pilot")[1])
    assert {"contract-holds", "tests-green", "checks-green"} <= set(stale)
    assert set(stale.values()) == {"stale"}

    assert "var/report/card.md" in project.makes("report")
    page = (project.path / "var" / "report" / "card.md").read_text()
    for picture in re.findall(r"\]\(([^)]+\.svg)\)", page):
        assert (project.path / "var" / "report" / picture).read_text().lstrip().startswith("<")
    assert "decisions about staff" in page


ANSWERS: dict[str, dict[str, str]] = {
    "nobody": {},
    "everybody": dict.fromkeys(OWNERS, "Your Name <you@example.org>"),
    **{
        name: {"description": UNUSUAL[name]}
        | dict.fromkeys(
            OWNERS, f"{re.sub('[,;&<>@]', '', UNUSUAL[name])[:40].strip()} <odd_one+x@example.org>"
        )
        for name in (
            "double quotes",
            "backslash",
            "markdown",
            "html",
            "emoji",
            "yaml",
            "arabic and right-to-left marks",
        )
    },
}


@pytest.mark.sampled("unusual answers")
@pytest.mark.parametrize("name", ANSWERS)
def test_make_generate_changes_nothing_in_a_fresh_project(
    name: str, cookies: Any, environment: Path, project: Project
) -> None:
    # All projects share this environment.
    project.makes("setup")
    baked: BakedProject = baking(cookies)(**ANSWERS[name])
    python = environment / "bin" / "python"
    command = [python, "-m", "fraud_scoring", "generate", "--check"]
    done = subprocess.run(
        command,
        cwd=baked.path,
        env=project.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
