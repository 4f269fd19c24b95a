"""Governance wired to the project: today's scorecard, generated files, and what a stage or a mode
asks for.
"""

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
from ..governance.config import GovernanceConfig, read_organisation
from ..governance.evidence import Evidence, utc_now
from ..governance.generated import expected, outdated, to_yaml
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
from ..training.challenger import not_compared
from ..training.predecessors import was_champion
from ..training.registry import CHALLENGER, CHAMPION, Registry, Version

Environment = Literal["local", "staging", "production"]
ASKED: dict[str, Stage] = {"local": "poc", "staging": "pilot", "production": "production"}
FEWEST = 30  # judged cases from which an override rate says something


class NotReadyError(Exception):
    """A stage is not reached; the message is the list of what is missing, and who does what.

    Nothing was changed.
    """


def scorecard(
    seam: Seam | None,
    settings: Settings,
    registry: Registry | None,
    version: Version | None,
    more: Iterable[Evidence] = (),
) -> Scorecard:
    """Where the project stands today, with `version` as what would answer.

    `more`: evidence that is not written yet.

    Raises GovernanceError when a file cannot be read.
    """
    org = read_organisation(settings.governance_dir)
    view = CheckContext(
        org=org,
        today=date.today(),
        folders=tuple(_folders()),
        alerts=tuple(_alerts(Path("monitoring"))),
        outdated=outdated(generated(org, seam), Path()),
        personal=tuple(seam.terms.personal) if seam else (),
    )
    kind: Literal["model", "baseline"] = (
        "baseline" if version and version.kind == "baseline" else "model"
    )
    library = read_library(Path())
    subject = home.digests(settings, seam, version, library)
    facts = ProjectState(subject, _workflows(), kind, described(registry, version), library)
    stored = home.read(registry) if registry else []
    return assess(view, [*stored, *more], facts, utc_now())


def registry_if_any(settings: Settings) -> Registry | None:
    """The registry; None while nothing was ever registered here, since making one takes seconds."""
    return Registry(settings) if settings.tracking_uri or settings.database.exists() else None


def described(registry: Registry | None, version: Version | None) -> str:
    """Which version a scorecard is of, which one serves, and which one would be promoted next."""
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
    """The version `number`, else the challenger, if it would be promoted next, else the champion."""
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
    """Raises NotReadyError when the stage that an environment asks for is not reached with
    `version`. Local asks nothing.

    A model that never served must have met today's champion, also when it is named by its number.
    """
    if environment == "local":
        return
    _demand_own_files(settings, environment)
    stage = ASKED[environment]
    if version and seam and version.tags.get("domain", seam.digest) != seam.digest:
        raise NotReadyError(
            f"version {version.number} was made from other files than today's four; nothing was promoted. "
            "Train anew, or promote from the commit that it was made of"
        )
    untried = (
        version if version and version.kind != "baseline" and not was_champion(version) else None
    )
    if untried and (errors := not_compared(registry.get_by_alias(CHAMPION), untried)):
        raise NotReadyError(f"{errors}. Nothing was promoted")
    card = scorecard(seam, settings, registry, version)
    if not card.reached(stage):
        from ..governance.scorecard import terminal

        raise NotReadyError(
            f"{environment} asks for {stage}; nothing was promoted.\n{terminal(card, stage)}"
        )


def _demand_own_files(settings: Settings, environment: str) -> None:
    """Away from a laptop the organisation is what lies in the project, and for production what is
    committed.
    """
    if settings.governance_dir.resolve() != Path("governance").resolve():
        raise NotReadyError(
            f"{environment} reads governance/ of the project, not ML_GOVERNANCE_DIR={settings.governance_dir}"
        )
    if environment == "production" and (git := shutil.which("git")):
        requested = [git, "status", "--porcelain", "governance"]
        message = subprocess.run(
            requested, capture_output=True, text=True, check=False
        ).stdout.strip()
        if message:
            raise NotReadyError(
                f"governance/ has changes that are not committed, so nobody approved them:\n{message}"
            )


def demand_mode(settings: Settings, wanted: str, now: str, used: Usage) -> None:
    """Raises NotReadyError when the change plan does not let `wanted` follow on `now`.

    A step down is always free, and so is every step on a laptop with a database of its own.
    """
    shared = not settings.records_url.startswith("sqlite")
    if MODES.index(wanted) <= MODES.index(now) or (settings.environment == "local" and not shared):
        return
    _demand_own_files(settings, settings.environment)
    org = read_organisation(settings.governance_dir)
    if lacking := list(unmet_mode_criteria(org, wanted, now, used)):
        raise NotReadyError(
            f"{wanted} is not entered from {now}:\n" + "\n".join(f"  {line}" for line in lacking)
        )


def unmet_mode_criteria(org: GovernanceConfig, wanted: str, now: str, used: Usage) -> Iterable[str]:
    """What must have been seen in the mode `now`, and is not."""
    plan, figures = org.change_plan, org.people_figures
    following = MODES[MODES.index(now) + 1]
    if wanted != following:
        yield f"one step at a time: {following} comes after {now}"
    phase, trained = plan.phase(now), plan.trained
    if used.days < phase.min_days:
        yield f"{used.days} days with cases in {now}; governance/change_plan.yaml asks for {phase.min_days}"
    if used.cases < phase.min_cases:
        yield f"{used.cases:,} cases in {now}; governance/change_plan.yaml asks for {phase.min_cases:,}"
    if trained is None or trained < change_plan.TRAINED:
        message = "nobody is" if trained is None else f"{trained:.0%} of those intended are"
        yield f"{message} trained; {change_plan.TRAINED:.0%} are needed (governance/change_plan.yaml: training)"
    if now == DecisionMode.ASSIST:
        if used.judged < FEWEST:
            yield f"{used.judged} cases with feedback in 28 days; {FEWEST} are needed to judge the override rate"
        elif (used.override_rate or 0) > figures.override_stop:
            most = f"{figures.override_stop:.0%} at most (governance/gates.yaml: people)"
            yield f"{used.override_rate:.0%} were overridden; {most}"


def observed(
    org: GovernanceConfig, shadow: Usage, assist: Usage, digests: dict[Subject, str]
) -> list[Evidence]:
    """What the records show, as evidence. What too few cases show is not said."""
    phase = org.change_plan.phase(DecisionMode.SHADOW)
    enough = shadow.days >= phase.min_days and shadow.cases >= phase.min_cases
    message = f"{shadow.days} days, {shadow.cases:,} cases; {phase.min_days} and {phase.min_cases:,} are asked for"
    records = [home.finding("shadow-long-enough", enough, digests, message)]
    if assist.judged >= FEWEST and assist.override_rate is not None:
        fine = assist.override_rate <= org.people_figures.override_stop
        records.append(
            home.finding(
                "override-in-band", fine, digests, f"{assist.override_rate:.1%} of {assist.judged}"
            )
        )
    if shadow.joined_share is not None:
        share = round(shadow.joined_share, 6)
        records.append(home.finding("outcomes-join", share >= 0.5, digests, share))
    return records


def generated(org: GovernanceConfig, seam: Seam | None) -> dict[str, str]:
    """Every generated file: those of the library's version, and those that follow from governance/
    and the contract, whose export is left out when it cannot be read.
    """
    more = {}
    if seam:
        person, system = org.ownership.answers_for("data_quality"), org.ownership.system
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
            head = "# monitoring/prometheus/*.rules.yml for this environment alone; yours stand in project.rules.yml\n"
            resource = prometheus_rule(Path("monitoring/prometheus"), org, environment, RULES)
            more[f"{overlay}/prometheus-rule.yaml"] = head + to_yaml(resource)
    return {**expected(org, more, Path()), **asset_files(Path())}


def _folders() -> Iterable[str]:
    """Folders of the project that hold tracked files at the top, and the files of the package."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True)  # noqa: S607
        names = done.stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        return  # an image without git holds what the pipeline put there
    top = {name.split("/")[0] for name in names if "/" in name}
    own = {"/".join(name.split("/")[:3]) for name in names if re.match(r"src/[^/]+/[^/]+", name)}
    yield from sorted(top | own)


def _alerts(folder: Path) -> Iterable[tuple[str, str]]:
    """(alert, outcome) of every alerting rule."""
    for path in sorted(folder.rglob("*.y*ml")):
        for content in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            for group in (content.get("groups") or []) if isinstance(content, dict) else []:
                for rule in group.get("rules") or []:
                    if "alert" in rule:
                        yield rule["alert"], (rule.get("labels") or {}).get("outcome", "")


def _workflows() -> str:
    """What the CI runs by itself. A button that somebody presses repeats nothing."""
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
        if isinstance(job, dict) and not _pressed(job.get("rules", ())):
            lines += map(str, job.get("script", ()))
    return "\n".join(lines)


def _pressed(rules: Sequence[Mapping[str, Any]]) -> bool:
    """Do all rules of a job of GitLab's ask for a pipeline that somebody started?"""
    return bool(rules) and all(
        '$CI_PIPELINE_SOURCE == "web"' in str(rule.get("if", "")) for rule in rules
    )
