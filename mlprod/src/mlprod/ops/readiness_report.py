"""Readiness of a project: scorecard, generated files, and requirements of stages and modes."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml

from ..assets import RULES, asset_files
from ..contract.open_data_contract import ContractFacts, open_data_contract
from ..governance import change_plan
from ..governance.check_catalogue import Subject
from ..governance.check_results import ProjectState
from ..governance.checks.context import CheckContext
from ..governance.config import GovernanceConfig, read_governance
from ..governance.evidence import Evidence, utc_now
from ..governance.generated import outdated_files, render_files, to_yaml
from ..governance.ownership import Stage
from ..governance.people import TODO
from ..governance.prometheus_rule import ENVIRONMENTS, prometheus_rule, require_one_name
from ..governance.readiness import Scorecard, assess
from ..installation.installed import read_library
from ..modes import MODES, DecisionMode
from ..project.project import Seam
from ..records.usage_stats import Usage
from ..settings import Settings
from ..training import evidence_store as home
from ..training.challenger import reason_not_compared
from ..training.predecessors import was_champion
from ..training.registry import CHALLENGER, CHAMPION, Registry, Version

Environment = Literal["local", "staging", "production"]
REQUIRED_STAGE: dict[str, Stage] = {"local": "poc", "staging": "pilot", "production": "production"}
# Below this number of judged cases an override rate is not meaningful.
MIN_JUDGED_CASES = 30


class NotReadyError(Exception):
    """A stage or mode is not reached; the message lists what is missing. Nothing was changed."""


def scorecard(
    seam: Seam | None,
    settings: Settings,
    registry: Registry | None,
    version: Version | None,
    more: Iterable[Evidence] = (),
) -> Scorecard:
    """Assess the project today, with `version` as the version to serve.

    `more` is evidence that is not written yet. Raises GovernanceError if a file cannot be read.
    """
    org = read_governance(settings.governance_dir)
    context = CheckContext(
        org=org,
        today=date.today(),
        folders=tuple(_folders()),
        alerts=tuple(_alerts(Path("monitoring"))),
        outdated=outdated_files(generated_files(org, seam), Path()),
        personal=tuple(seam.terms.personal) if seam else (),
    )
    kind: Literal["model", "baseline"] = (
        "baseline" if version and version.kind == "baseline" else "model"
    )
    library = read_library(Path())
    subject = home.digests(settings, seam, version, library)
    facts = ProjectState(subject, _workflows(), kind, describe_version(registry, version), library)
    stored = home.read_evidence(registry) if registry else []
    return assess(context, [*stored, *more], facts, utc_now())


def registry_if_any(settings: Settings) -> Registry | None:
    """Return the registry; None if nothing was registered, since creating one takes seconds."""
    return Registry(settings) if settings.tracking_uri or settings.database.exists() else None


def describe_version(registry: Registry | None, version: Version | None) -> str:
    """Return which version is assessed, which one serves and which one would be promoted next."""
    if registry is None or version is None:
        return "no model yet"
    what = "the baseline" if version.kind == "baseline" else "a model"
    champion, upcoming = registry.get_by_alias(CHAMPION), assessed_version(registry, None)
    if champion is None:
        serving = "nothing serves"
    elif champion.number == version.number:
        serving = "which serves"
    else:
        serving = f"version {champion.number} serves"
    if upcoming is None or (champion and upcoming.number == champion.number):
        following = "no challenger waits"
    elif upcoming.number == version.number:
        following = "this one is next"
    else:
        following = f"version {upcoming.number} is next"
    back = f"; {version.rolled_back}" if version.rolled_back else ""
    return f"version {version.number}, {what} ({serving}, {following}{back})"


def assessed_version(registry: Registry | None, number: int | None) -> Version | None:
    """Return the version to assess: `number`, or the waiting challenger, or the champion."""
    if registry is None:
        return None
    if number:
        return registry.version(number)
    challenger = registry.get_by_alias(CHALLENGER)
    return (
        challenger if challenger and not challenger.rolled_back else registry.get_by_alias(CHAMPION)
    )


def require_stage(
    seam: Seam | None,
    settings: Settings,
    registry: Registry,
    environment: str,
    version: Version | None,
) -> None:
    """Raise NotReadyError if `version` does not reach the stage that an environment requires.

    The environment local requires nothing. A model that never served must have been compared with
    today's champion, even if it is chosen by its number.
    """
    if environment == "local":
        return
    _require_own_files(settings, environment)
    stage = REQUIRED_STAGE[environment]
    if version and seam and version.tags.get("domain", seam.digest) != seam.digest:
        raise NotReadyError(
            f"version {version.number} was trained with other project files than today's four; "
            "nothing was promoted. Works: train again, or promote from the commit that trained it"
        )
    untried = (
        version if version and version.kind != "baseline" and not was_champion(version) else None
    )
    if untried and (errors := reason_not_compared(registry.get_by_alias(CHAMPION), untried)):
        raise NotReadyError(f"{errors}. Nothing was promoted")
    card = scorecard(seam, settings, registry, version)
    if not card.reached(stage):
        from ..governance.scorecard import terminal

        raise NotReadyError(
            f"{environment} requires the stage {stage}; nothing was promoted.\n"
            f"{terminal(card, stage)}"
        )


def _require_own_files(settings: Settings, environment: str) -> None:
    """Raise NotReadyError unless governance/ is the project's own, and committed for production."""
    if settings.governance_dir.resolve() != Path("governance").resolve():
        raise NotReadyError(
            f"{environment} reads governance/ of the project, not "
            f"ML_GOVERNANCE_DIR={settings.governance_dir}. Works: unset ML_GOVERNANCE_DIR"
        )
    if environment == "production" and (git := shutil.which("git")):
        command = [git, "status", "--porcelain", "governance"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if changes := done.stdout.strip():
            raise NotReadyError(
                f"governance/ has changes that are not committed, so nobody approved them:\n"
                f"{changes}"
            )


def require_mode(settings: Settings, wanted: str, now: str, used: Usage) -> None:
    """Raise NotReadyError if the change plan does not allow the mode `wanted` after `now`.

    A step down is always allowed. On a laptop with its own database every step is allowed.
    """
    shared = not settings.records_url.startswith("sqlite")
    if MODES.index(wanted) <= MODES.index(now) or (settings.environment == "local" and not shared):
        return
    _require_own_files(settings, settings.environment)
    org = read_governance(settings.governance_dir)
    if unmet := list(unmet_mode_criteria(org, wanted, now, used)):
        lines = "\n".join(f"  {line}" for line in unmet)
        raise NotReadyError(f"the mode cannot change from {now} to {wanted}:\n{lines}")


def unmet_mode_criteria(org: GovernanceConfig, wanted: str, now: str, used: Usage) -> Iterable[str]:
    """Yield each criterion of the mode `now` that is not met."""
    plan, limits = org.change_plan, org.usage_limits
    next_mode = MODES[MODES.index(now) + 1]
    if wanted != next_mode:
        yield f"one step at a time: {next_mode} comes after {now}"
    phase, trained = plan.phase(now), plan.trained_share
    if used.days < phase.min_days:
        yield (
            f"{used.days} days with cases in {now}; governance/change_plan.yaml requires "
            f"{phase.min_days}"
        )
    if used.cases < phase.min_cases:
        yield (
            f"{used.cases:,} cases in {now}; governance/change_plan.yaml requires "
            f"{phase.min_cases:,}"
        )
    if trained is None or trained < change_plan.MIN_TRAINED_SHARE:
        who = "nobody is" if trained is None else f"{trained:.0%} of the intended users are"
        yield (
            f"{who} trained; {change_plan.MIN_TRAINED_SHARE:.0%} are required "
            f"(governance/change_plan.yaml: training)"
        )
    if now == DecisionMode.ASSIST:
        if used.judged < MIN_JUDGED_CASES:
            yield (
                f"{used.judged} cases with feedback in 28 days; the override rate requires "
                f"{MIN_JUDGED_CASES}"
            )
        elif (used.override_rate or 0) > limits.override_stop:
            yield (
                f"people overrode {used.override_rate:.0%}; the limit is "
                f"{limits.override_stop:.0%} (governance/gates.yaml: people)"
            )


def usage_evidence(
    org: GovernanceConfig, shadow: Usage, assist: Usage, digests: dict[Subject, str]
) -> list[Evidence]:
    """Return evidence of use from the records; figures based on too few cases are omitted."""
    phase = org.change_plan.phase(DecisionMode.SHADOW)
    enough = shadow.days >= phase.min_days and shadow.cases >= phase.min_cases
    message = (
        f"{shadow.days} days, {shadow.cases:,} cases; {phase.min_days} and {phase.min_cases:,} are "
        f"required"
    )
    records = [home.finding("shadow-long-enough", enough, digests, message)]
    if assist.judged >= MIN_JUDGED_CASES and assist.override_rate is not None:
        within = assist.override_rate <= org.usage_limits.override_stop
        records.append(
            home.finding(
                "override-in-band",
                within,
                digests,
                f"{assist.override_rate:.1%} of {assist.judged}",
            )
        )
    if shadow.joined_share is not None:
        share = round(shadow.joined_share, 6)
        records.append(home.finding("outcomes-join", share >= 0.5, digests, share))
    return records


def generated_files(org: GovernanceConfig, seam: Seam | None) -> dict[str, str]:
    """Return the text of every generated file by its name.

    They follow from the library's version, from governance/ and from the contract. If the contract
    cannot be read, its export is left out.
    """
    more = {}
    if seam:
        person, system = org.ownership.accountable_person("data_quality"), org.ownership.system
        team = next((team for team in org.ownership.teams if team.channel), None)
        facts = ContractFacts(
            name=system.name,
            purpose=org.problem.problem.statement,
            limitations=None,
            owner_name=person.name if person else TODO,
            owner_email=person.email if person else TODO,
            domain=system.domain or None,
            version="1.0.0",
            status="draft" if system.stage == "poc" else "active",
            support_channel=team.channel if team else None,
        )
        more["datacontract.yaml"] = to_yaml(open_data_contract(seam.terms, facts))
    require_one_name(org.ownership.system, Path())
    for environment in ENVIRONMENTS:
        if (overlay := Path("deploy/overlays") / environment).is_dir():
            head = (
                "# monitoring/prometheus/*.rules.yml for this environment alone; yours stand in "
                "project.rules.yml\n"
            )
            resource = prometheus_rule(Path("monitoring/prometheus"), org, environment, RULES)
            more[f"{overlay}/prometheus-rule.yaml"] = head + to_yaml(resource)
    return {**render_files(org, more, Path()), **asset_files(Path())}


def _folders() -> Iterable[str]:
    """Yield the top-level folders with tracked files, and the files of the package."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True)  # noqa: S607
        names = done.stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        # An image has no git; it holds only files of the pipeline.
        return
    top = {name.split("/")[0] for name in names if "/" in name}
    own = {"/".join(name.split("/")[:3]) for name in names if re.match(r"src/[^/]+/[^/]+", name)}
    yield from sorted(top | own)


def _alerts(folder: Path) -> Iterable[tuple[str, str]]:
    """Yield (alert, outcome) of every alerting rule."""
    for path in sorted(folder.rglob("*.y*ml")):
        for content in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            for group in (content.get("groups") or []) if isinstance(content, dict) else []:
                for rule in group.get("rules") or []:
                    if "alert" in rule:
                        yield rule["alert"], (rule.get("labels") or {}).get("outcome", "")


def _workflows() -> str:
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
