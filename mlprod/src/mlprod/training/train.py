"""The pipeline as a recipe: each step is a plain function that can be called alone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ..bundle.limits import MODEL_MEGABYTES
from ..bundle.loader import BundleRefused, open_bundle
from ..bundle.manifest import PROVENANCE, Estimate, Parity
from ..bundle.runtime import BaselineRuntime
from ..bundle.writer import canonical
from ..contract.encoding import sample
from ..contract.schema import Task
from ..contract.validation import ContractViolated
from ..governance.config import Organisation, read_organisation
from ..governance.gates import Figure, GateFailed, Verdict, judge, read_gates
from ..governance.waivers import PICKLE, demand_waiver
from ..identity import whoami
from ..locks import locked
from ..project import Seam
from ..settings import Settings
from . import source_schema
from .bundle_builder import Candidate, make_bundle, provenance
from .dataset import Rows, checked
from .evaluate import BY_TASK, NAMES, SLICED, Evaluation, evaluate
from .evidence_store import digests, write
from .export import export, parity, runtime_of, try_export
from .fit import choose_threshold, fit, money, usable
from .leakage import FieldPower, copies, field_powers, warnings
from .linear_comparison import more_than_simple
from .model_card import Purpose, mark, missing
from .plots import pictures
from .promotion import not_compared
from .registry import CHALLENGER, CHAMPION, Registry, Version
from .split import Split, split
from .training_evidence import of_data, of_training

Say = Callable[[str], None]
LOCK, LOCK_WORKS = "training.lock", "Wait for it, or end it; or train apart from it: ML_STATE=var-2"
TRIED = 1_000  # made-up rows that the baseline must be able to score


@dataclass(frozen=True)
class Outcome:
    version: Version
    verdicts: list[Verdict]
    evaluation: Evaluation
    baseline: Evaluation


def train(seam: Seam, settings: Settings, say: Say, *, kind: str = "model", until: datetime | None = None) -> Outcome:
    """From rows to a registered challenger; one training at a time in a state folder.

    Raises LockHeldError and ContractViolated before anything is trained; GateFailed after: the run is logged, nothing
    registered.
    """
    with locked(settings.state / LOCK, f"the training of a {kind}", whoami(), LOCK_WORKS):
        return _train(seam, settings, say, kind, until)


def _train(seam: Seam, settings: Settings, say: Say, kind: str, until: datetime | None) -> Outcome:
    gates = read_gates(settings.governance / "gates.yaml", NAMES, SLICED)
    purpose = purpose_of(read_organisation(settings.governance))
    if seam.runtime == "python" and kind == "model":
        demand_waiver(settings.governance / "waivers.yaml", PICKLE, date.today())
    task = seam.task()
    table = seam.table(None, until)
    try:
        report, rows = checked(seam, table)
    except ContractViolated as error:
        write(Registry(settings), of_data(seam, error.report, digests(settings, seam)))
        raise
    say(f"contract   {report.rows:,} rows hold it, {len(rows):,} have a label")
    parts = split(rows, task, seam.terms)
    test = rows.take(parts.test)
    if rows.at is None:
        say("split      WARNING: by chance, since the contract names no TIME; a pilot needs one")
    say(f"split      learn {len(parts.train):,}, threshold {len(parts.validation):,}, test {len(parts.test):,}")
    if left := len(rows) - sum(map(len, vars(parts).values())):
        say(
            f"split      {left:,} left out: test units from the time of learning, learnt units from the time of testing"
        )
    powers = field_powers(seam.terms.fields, rows.take(parts.train), task)
    for warning in warnings(powers):
        say(f"leak       WARNING: {warning}")
    if seam.terms.unit is None and (count := copies(rows, parts)):
        say(f"leak       WARNING: {count:,} test rows equal a learnt row in every field. Copies? Name their UNIT")
    registry = Registry(settings)  # before the long work: a registry that is away is known at once
    today = make_baseline(seam, rows, parts)
    baseline = measure(seam, test, today)
    say(f"baseline   worth {_money(baseline)} a row on test")
    candidate = today if kind == "baseline" else make_model(seam, rows, parts, settings.model_megabytes, say)
    found = baseline if kind == "baseline" else measure(seam, test, candidate)
    say(f"{kind:10} worth {_money(found)} a row on test, threshold {candidate.threshold:.4g}")

    simpler = more_than_simple(seam, rows, parts, candidate) if kind == "model" else None
    if simpler:
        say(f"simpler    it is worth {_said(simpler)} a row more than a linear model")
    champion = registry.behind(CHAMPION)
    rival, absent = compare_champion(seam, settings, registry, champion, test, kind)
    if rival:
        say(f"champion   worth {_money(rival)} a row on the same rows (version {champion.number if champion else ''})")
    measured = figures(found, baseline, rival, powers, candidate.parity)
    verdicts = judge(gates, measured, absent | not_applicable(task, candidate))
    for verdict in verdicts:
        say(f"gate       {mark(verdict)} {verdict.gate.id}: {verdict.says}")

    tags = {"kind": kind, "task": task, "compared_with": str(champion.number) if champion else "", "verdict": "passed"}
    tags["domain"] = seam.digest
    metrics = {name: figure.value for name, figure in found.whole().items()}
    artifacts = {"gates.json": canonical([{"gate": v.gate.id, "passed": v.passed, "says": v.says} for v in verdicts])}
    scores = candidate.runtime.score(test.columns)
    artifacts |= pictures(seam, task, test, scores, candidate.threshold, found, baseline)
    if any(verdict.passed is False for verdict in verdicts):
        registry.log_run(tags | {"verdict": "refused"}, metrics, artifacts, None)
        raise GateFailed(verdicts)
    with TemporaryDirectory() as folder:
        bundle = make_bundle(seam, Path(folder), rows, parts, candidate, found, baseline, verdicts, purpose)
        limit = settings.model_megabytes
        open_bundle(bundle, seam.terms.fields, seam.baseline, allow_pickle=True, megabytes=limit)  # or no service could
        made = provenance()
        (bundle / PROVENANCE).write_bytes(canonical(made))
        run = registry.log_run(tags, metrics, artifacts, bundle)
        version = registry.register(run, bundle.name, tags | source_schema.said(table, seam.terms))
    about, lacks = digests(settings, seam, version), missing(purpose)
    shown = of_training(seam, candidate, test, measured, verdicts, lacks, made["commit"], simpler, about)
    write(registry, [*of_data(seam, report, about), *shown])
    say(f"registered {registry.name} version {version.number}, bundle {version.digest[:12]}")
    challenge(registry, version, kind, say)
    return Outcome(version, verdicts, found, baseline)


def challenge(registry: Registry, version: Version, kind: str, say: Say) -> None:
    """Make the version the challenger, if it is one of the champion of now, who may have moved during the training."""
    champion, rival = registry.behind(CHAMPION), registry.behind(CHALLENGER)
    if champion and (kind == "baseline" or champion.number == version.number):
        return
    if kind == "baseline" and rival and rival.kind == "model" and not rival.rolled_back:
        say(f"challenger stays version {rival.number}, a model: a baseline takes no model's place")
        return
    if wrong := not_compared(champion, version):
        say(f"challenger WARNING: {wrong}")
        if rival and not not_compared(champion, rival) and not rival.rolled_back:
            say(f"challenger stays version {rival.number}, which was")
            return
    if version.rolled_back:
        say(f"challenger WARNING: these are the bytes of version {version.number}, {version.rolled_back}")
    registry.point(CHALLENGER, version)


def purpose_of(org: Organisation) -> Purpose:
    """The model card's words from people; what is empty is shown as not said yet, with the file to say it in."""
    model = org.ownership.outcome("model_quality")
    authors = [p for id in (model.responsible if model else ()) if (p := org.ownership.person(id)) and p.known]
    return Purpose(
        statement=org.problem.problem.statement,
        decision=org.problem.decision.who,
        out_of_scope=org.problem.decision.out_of_scope,
        risks=tuple((risk.harm, risk.mitigation) for risk in org.risk.risks),
        authors=tuple(author.shown for author in authors),
        contact=org.ownership.accountable("model_quality"),
        tier=org.risk.tier,
        name=org.ownership.system.name,
    )


def make_baseline(seam: Seam, rows: Rows, parts: Split) -> Candidate:
    """What is done today, given the best threshold that the validation rows offer: a fair opponent."""
    runtime, validation = BaselineRuntime(seam.baseline), rows.take(parts.validation)
    usable(runtime.score(sample(seam.terms.fields, TRIED, seed=3)), TRIED, "baseline()")
    usable(runtime.score(rows.columns), len(rows), "baseline()")
    return Candidate(
        "baseline", runtime, {}, choose_threshold(seam, validation, runtime.score(validation.columns)), None
    )


def make_model(
    seam: Seam, rows: Rows, parts: Split, megabytes: int = MODEL_MEGABYTES, say: Say = lambda _: None
) -> Candidate:
    """Fit, export, and prove the export equal. All figures are then those of the exported model.

    Raises BundleRefused for a model that the service would not load: it takes more than `megabytes`, or never ends.
    """
    estimator = fit(seam, rows.take(parts.train))
    files = export(seam, estimator)
    size, memory = try_export(seam, files, megabytes)
    say(f"size       {size:,.1f} MB of files, {memory:,.0f} MB of memory; the limit is {megabytes} MB")
    runtime, validation = runtime_of(seam, files), rows.take(parts.validation)
    threshold = choose_threshold(seam, validation, runtime.score(validation.columns))
    return Candidate("model", runtime, files, threshold, parity(seam, estimator, runtime, rows.take(parts.test)))


def measure(seam: Seam, test: Rows, candidate: Candidate) -> Evaluation:
    scores = candidate.runtime.score(test.columns)
    return evaluate(seam.terms, seam.task(), test, scores, money(seam, test, scores, candidate.threshold))


def compare_champion(
    seam: Seam, settings: Settings, registry: Registry, champion: Version | None, test: Rows, kind: str
) -> tuple[Evaluation | None, dict[str, str]]:
    """The champion on the same test rows, or why there is none. Raises BundleRefused for a damaged champion."""
    if kind == "baseline":
        return None, {CHAMPION: "a baseline is what one falls back on, not a rival"}
    if champion is None:
        return None, {CHAMPION: "there is no champion yet"}
    with TemporaryDirectory() as folder:
        try:
            path = registry.download(champion, Path(folder))
            bundle = open_bundle(
                path,
                seam.terms.fields,
                seam.baseline,
                digest=champion.digest,
                allow_pickle=settings.allow_pickle,
                megabytes=settings.model_megabytes,
            )
        except BundleRefused as error:
            if error.reason == "contract":
                return None, {CHAMPION: f"version {champion.number} cannot answer today's contract: {error}"}
            if champion.kind == "baseline" and error.reason == "probe":
                return None, {CHAMPION: f"version {champion.number} is an older baseline; today's was compared with"}
            raise
    manifest = bundle.manifest
    return measure(seam, test, Candidate(manifest.kind, bundle.runtime, {}, manifest.threshold, None)), {}


def figures(
    found: Evaluation,
    baseline: Evaluation,
    rival: Evaluation | None,
    powers: dict[str, FieldPower],
    same: Parity | None,
) -> dict[tuple[str, str, str], Figure]:
    """Everything that a gate may ask for, by (compare, metric, slice)."""
    measured: dict[tuple[str, str, str], Figure] = {("absolute", *key): figure for key, figure in found.figures.items()}
    measured |= {("baseline", *key): figure for key, figure in found.minus(baseline).items()}
    if rival:
        measured |= {("champion", *key): figure for key, figure in found.minus(rival).items()}
    n = found.figures["value", ""].n
    measured |= {("absolute", "single_field_power", name): _exact(each.power, n) for name, each in powers.items()}
    if same:
        measured["absolute", "parity_difference", ""] = _exact(same.max_difference, same.rows)
    return measured


def not_applicable(task: Task, candidate: Candidate) -> dict[str, str]:
    other: Task = "regression" if task == "binary" else "binary"
    absent = dict.fromkeys(BY_TASK[other], f"a metric of {other}")
    if candidate.kind == "baseline":
        absent |= {"baseline": "this is the baseline", "parity_difference": "a baseline is not exported"}
        absent |= {"calibration_error": "a baseline's score is no probability"}
    return absent


def _exact(value: float, n: int) -> Estimate:
    return Estimate(value=value, low=value, high=value, n=n)


def _money(found: Evaluation) -> str:
    return _said(found.figures["value", ""])


def _said(figure: Estimate) -> str:
    return f"{figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f})"
