"""What the readiness checks read in a project: its folders, its alerting rules, its CI jobs."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml


def top_level_folders() -> Iterable[str]:
    """Yield the top-level folders with tracked files, and the files of the package."""
    # An image has no git; it holds only files of the pipeline.
    if not (git := shutil.which("git")):
        return
    done = subprocess.run([git, "ls-files", "-z"], capture_output=True, text=True, check=False)
    names = done.stdout.split("\0")
    top = {name.split("/")[0] for name in names if "/" in name}
    own = {"/".join(name.split("/")[:3]) for name in names if re.match(r"src/[^/]+/[^/]+", name)}
    yield from sorted(top | own)


def alerts_with_outcome(folder: Path) -> Iterable[tuple[str, str]]:
    """Yield (alert, outcome) of every alerting rule."""
    for path in sorted(folder.rglob("*.y*ml")):
        for content in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            for group in (content.get("groups") or []) if isinstance(content, dict) else []:
                for rule in group.get("rules") or []:
                    if "alert" in rule:
                        yield rule["alert"], (rule.get("labels") or {}).get("outcome", "")


def automatic_jobs() -> str:
    """Return the text of the jobs that the CI starts automatically, without manual jobs."""
    texts = [
        path.read_text(encoding="utf-8")
        for path in sorted(Path(".github/workflows").glob("*.y*ml"))
    ]
    lines = [
        text for text in texts if re.search(r"^  (pull_request|push|schedule):", text, re.MULTILINE)
    ]
    gitlab = Path(".gitlab-ci.yml")
    jobs = yaml.safe_load(gitlab.read_text(encoding="utf-8")) if gitlab.is_file() else {}
    for job in jobs.values():
        if isinstance(job, dict) and not _is_manual(job.get("rules", ())):
            lines += map(str, job.get("script", ()))
    return "\n".join(lines)


def _is_manual(rules: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether all rules of a GitLab job require a pipeline that a person started."""
    return bool(rules) and all(
        '$CI_PIPELINE_SOURCE == "web"' in str(rule.get("if", "")) for rule in rules
    )
