"""The workflows of a baked project: both providers do the same, with minimal permissions.

tests/test_executed_workflows.py executes the jobs that need no platform, and runs the linters.
"""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import LIBRARY, UNBAKED, make_targets

WORKFLOWS = {
    path.name: yaml.safe_load(path.read_text())
    for path in (UNBAKED / ".github/workflows").glob("*.yml")
}
GITHUB = {name: job for workflow in WORKFLOWS.values() for name, job in workflow["jobs"].items()}
GITLAB = yaml.safe_load((UNBAKED / ".gitlab-ci.yml").read_text())
KEYWORDS = {
    "workflow",
    "variables",
    "default",
    "stages",
}
TEXTS = [
    path.read_text()
    for path in [*(UNBAKED / ".github/workflows").glob("*.yml"), UNBAKED / ".gitlab-ci.yml"]
]
TARGETS = make_targets((UNBAKED / "Makefile").read_text())
USES = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


@dataclass(frozen=True)
class When:
    """The event that starts a pipeline, by its name at each provider, and the configuration."""

    github: str
    gitlab: str
    task: str = ""
    deploy_to: str = ""
    updates: str = ""


BROUGHT = {"change": ("pull_request", "merge_request_event"), "main": ("push", "push")}
BROUGHT |= {"time": ("schedule", "schedule"), "person": ("workflow_dispatch", "web")}
WHENS = [
    When(*BROUGHT[by], task=task, deploy_to=deploy_to, updates=updates)
    for by in BROUGHT
    for task in (("promote", "rollback", "drills", "attest") if by == "person" else ("",))
    for deploy_to in ("", "staging", "production")
    for updates in ("", "set")
]


def evaluated(condition: str) -> bool:
    """Evaluate a condition without variables; both providers have the same operators."""
    expression = condition.replace("&&", " and ").replace("||", " or ")
    return bool(eval(expression, {"__builtins__": {}}))  # noqa: S307


def of_github(when: When, retrain_on: str = "") -> dict[str, dict[str, Any]]:
    known = {
        "github.event_name": when.github,
        "github.ref": "refs/heads/main",
        "inputs.task": when.task,
    }
    known |= {
        "vars.DEPLOY_TO": when.deploy_to,
        "vars.UPDATE_APP": when.updates,
        "vars.RETRAIN_ON": retrain_on,
    }
    known |= {"needs.template.outputs.changed": "yes"}

    def runs(job: dict[str, Any]) -> bool:
        condition = str(job.get("if", "True")).strip("${} ").replace("!cancelled()", "True")
        return evaluated(re.sub(r"[a-z]+(\.\w+)+", lambda name: repr(known[name[0]]), condition))

    # YAML reads the key `on` as True.
    brought = [workflow for workflow in WORKFLOWS.values() if when.github in workflow[True]]
    return {
        name: {
            "makes": made("\n".join(step.get("run", "") for step in job["steps"])),
            "needs": set(job.get("needs", [])),
            "minutes": job["timeout-minutes"],
            "environment": job.get("environment", "").replace("${{ inputs.where }}", "$WHERE"),
        }
        for workflow in brought
        for name, job in workflow["jobs"].items()
        if runs(job)
    }


def of_gitlab(when: When, retrain_on: str = "") -> dict[str, dict[str, Any]]:
    known = {"CI_PIPELINE_SOURCE": when.gitlab, "TASK": when.task}
    known |= {"DEPLOY_TO": when.deploy_to, "UPDATE_TOKEN": when.updates, "RETRAIN_ON": retrain_on}

    def runs(job: dict[str, Any]) -> bool:
        conditions = [
            re.sub(r"\$(\w+)", lambda name: repr(known[name[1]]), rule["if"])
            for rule in job["rules"]
        ]
        return any(map(evaluated, conditions))

    return {
        name: {
            "makes": made("\n".join(lines(job["script"]))),
            "needs": {
                need["job"] if isinstance(need, dict) else need for need in job.get("needs", [])
            },
            "minutes": int(job["timeout"].removesuffix(" minutes")),
            "environment": job.get("environment", ""),
        }
        for name, job in gitlab_jobs().items()
        if runs(job)
    }


def lines(script: list[Any]) -> list[str]:
    """Return the commands of a script, in which an anchor may be a nested list."""
    return [line for item in script for line in (item if isinstance(item, list) else [item])]


def gitlab_jobs() -> dict[str, dict[str, Any]]:
    """Return each job, merged with the jobs that it extends."""

    def whole(job: dict[str, Any]) -> dict[str, Any]:
        parents = job.get("extends", [])
        parents = [parents] if isinstance(parents, str) else parents
        return {
            key: value
            for item in [*(GITLAB[parent] for parent in parents), job]
            for key, value in item.items()
        }

    return {
        name: whole(job)
        for name, job in GITLAB.items()
        if not name.startswith(".") and name not in KEYWORDS
    }


def made(script: str) -> list[str]:
    """Return the make commands of a script without redirections.

    `setup` is left out, because it is part of every target.
    """
    result = [command.strip() for command in re.findall(r"\bmake ([^\n|;&]+)", script)]
    return [command for command in result if command != "setup"]


@pytest.mark.parametrize(
    "when", WHENS, ids=lambda when: " ".join(filter(None, vars(when).values()))
)
def test_both_providers_run_the_same_targets_on_the_same_events(when: When) -> None:
    github, gitlab = of_github(when), of_gitlab(when)
    # GitLab protects variables, so it needs no environment that only has secrets.
    for jobs in (github, gitlab):
        for job in jobs.values():
            job["environment"] = (
                job["environment"]
                if job["environment"] in ("staging", "production", "$WHERE")
                else ""
            )
    assert github == gitlab


def test_ci_does_not_retrain_if_the_cluster_does() -> None:
    when = When("schedule", "schedule", deploy_to="staging")
    assert "retrain" in of_github(when)
    for jobs in (of_github(when, "cluster"), of_gitlab(when, "cluster")):
        assert "retrain" not in jobs
        assert "readiness" in jobs


def test_both_providers_have_the_same_jobs() -> None:
    assert GITHUB.keys() == gitlab_jobs().keys()
    assert len(GITHUB) == sum(len(workflow["jobs"]) for workflow in WORKFLOWS.values()), (
        "two workflows have a job with the same name"
    )


def test_nothing_is_pushed_or_deployed_before_it_is_enabled() -> None:
    change, main = (of_github(When(*BROUGHT[by])) for by in ("change", "main"))
    assert change == main
    assert {make.split()[0] for job in main.values() for make in job["makes"]}.isdisjoint(
        {"publish", "deploy", "train"}
    )
    assert of_github(When(*BROUGHT["person"], task="promote")) == {}
    assert "production" not in of_github(When(*BROUGHT["main"], deploy_to="staging"))


def test_kill_switch_drill_runs_last() -> None:
    """A new service is in shadow, where the kill switch has no effect.

    The other drills must have run before.
    """
    makes = [
        make.split()[0]
        for make in of_github(When(*BROUGHT["person"], "drills", "staging"))["drills"]["makes"]
    ]
    assert makes == ["alert-drill", "rollback-drill", "kill-switch-drill"]


def test_scheduled_run_promotes_nothing() -> None:
    for when in WHENS:
        for name, job in of_github(when).items():
            if any(make.startswith("promote ENVIRONMENT=") for make in job["makes"]):
                assert (name, when.github, when.gitlab) == ("promote", "workflow_dispatch", "web")


def test_production_needs_the_scorecard_and_an_approval() -> None:
    makes = of_github(When(*BROUGHT["main"], deploy_to="production"))["production"]["makes"]
    assert makes[0] == "readiness STAGE=production FORMAT=markdown"
    assert GITHUB["production"]["environment"] == "production"
    assert gitlab_jobs()["production"]["rules"][0]["when"] == "manual"


def test_rollback_job_waits_for_no_other_job() -> None:
    """A promotion that waits for its approval blocks its group until a person approves it."""
    group = WORKFLOWS["by-hand.yml"]["concurrency"]["group"].partition("${{")[2].partition("}}")[0]
    groups = {
        task: evaluated(group.replace("inputs.task", repr(task)))
        for task in ("promote", "rollback", "drills")
    }
    assert groups["rollback"] not in (groups["promote"], groups["drills"])
    held = {name: job.get("resource_group") for name, job in gitlab_jobs().items()}
    assert [name for name, group in held.items() if group == held["rollback"]] == ["rollback"]


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("name", ["staging", "production", "readiness"])
def test_gitlab_scorecard_fails_its_job_and_is_stored_in_an_empty_folder(
    name: str, code: int, tmp_path: Path
) -> None:
    job = gitlab_jobs()[name]
    (line,) = [line for line in job["script"] if "tee" in line]
    (tmp_path / "make").write_text(f"#!/bin/sh\necho the scorecard\nexit {code}\n")
    (tmp_path / "make").chmod(0o755)
    here = tmp_path / "checkout"
    here.mkdir()
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", line],
        cwd=here,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert done.returncode == code
    (stored,) = job["artifacts"]["paths"]
    assert (here / stored).read_text() == "the scorecard\n"


def test_images_are_built_once_and_deployed_by_their_published_digests() -> None:
    jobs = of_github(When(*BROUGHT["main"], deploy_to="production"))
    assert [
        name
        for name, job in jobs.items()
        if any(make.split()[0] == "image" for make in job["makes"])
    ] == ["build"]
    for environment in ("staging", "production"):
        assert GITHUB[environment]["env"]["IMAGES"] == "${{ needs.publish.outputs.images }}"
        deployed = [make for make in jobs[environment]["makes"] if "deploy" in make.split()[0]]
        assert deployed == [
            f"deploy ENVIRONMENT={environment}",
            f"verify-deploy ENVIRONMENT={environment}",
        ]
    assert gitlab_jobs()["publish"]["artifacts"]["reports"] == {
        "dotenv": "var/published/images.env"
    }


def test_every_target_is_in_the_makefile() -> None:
    called = {
        word
        for when in WHENS
        for job in of_github(when).values()
        for make in job["makes"]
        for word in make.split()
        if re.fullmatch("[a-z-]+", word)
    }
    assert sorted(called - TARGETS.keys()) == []


def test_repeated_checks_of_the_ml_test_score_run_in_both_providers() -> None:
    catalogue = yaml.safe_load(
        (LIBRARY / "governance" / "check_catalogue.yaml").read_text(encoding="utf-8")
    )
    for parts in {
        tuple(test["repeated_by"]) for test in catalogue["ml_test_score"] if "repeated_by" in test
    }:
        for jobs in (GITHUB.values(), gitlab_jobs().values()):
            assert any(
                re.search(rf"make {word}\b", json.dumps(job)) for word in parts for job in jobs
            ), parts


def test_each_action_is_pinned_to_one_commit() -> None:
    used = {
        line.strip(" -").removeprefix("uses: ")
        for text in TEXTS
        for line in text.splitlines()
        if "uses:" in line
    }
    assert used
    assert [entry for entry in used if not USES.fullmatch(entry)] == []
    assert len({item.partition("@")[0] for item in used}) == len(used), "an action has two pins"


@pytest.mark.parametrize("name", GITHUB)
def test_each_job_has_a_timeout_and_explicit_permissions(name: str) -> None:
    """Jobs that write evidence may request a token, which proves the run that wrote it."""
    job = GITHUB[name]
    assert 0 < job["timeout-minutes"] <= 75
    writes = {what for what, may in job["permissions"].items() if may == "write"}
    assert writes == {
        "publish": {"packages", "id-token"},
        "scan": set(),
        "audit": set(),
        "template": set(),
        "template-change": set(),
    }.get(name, {"id-token"})
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_workflow_grants_no_permission_by_default() -> None:
    for name, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {}, name
        assert set(workflow["concurrency"]) == {"group", "cancel-in-progress"}, name
        assert (
            not {"pull_request_target", "workflow_run", "issue_comment"} & workflow[True].keys()
        ), name


def test_no_shell_script_contains_an_expression() -> None:
    """Every value comes through the environment, including harmless ones."""
    for name, job in GITHUB.items():
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), name
    typed = re.compile(r"\$\{?(REASON|VERSION)\b")
    for name, job in gitlab_jobs().items():
        for line in lines(job["script"]):
            rest = line.replace('REASON="$REASON (', "").replace(
                '${VERSION:+VERSION="${VERSION//[!0-9]/}"}', ""
            )
            assert not typed.search(rest), f"{name}: {line}"


def test_jobs_with_write_access_run_no_python_of_the_project() -> None:
    assert "setup" not in TARGETS["publish"]
    assert of_github(When(*BROUGHT["main"], deploy_to="staging"))["publish"]["makes"] == ["publish"]
    assert of_github(When(*BROUGHT["time"], updates="set"))["template-change"]["makes"] == []


def test_pull_request_gets_no_secret() -> None:
    for name in of_github(When(*BROUGHT["change"])):
        job = GITHUB[name]
        if "secrets." in json.dumps(job):
            assert "github.event_name == 'push' &&" in job["environment"]
            assert "github.event_name == 'push' &&" in job["env"]["MLFLOW_TRACKING_URI"]
