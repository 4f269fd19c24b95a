"""Training pipeline: from rows to a registered version, in plain steps."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ..bundle.code_rules import CodeError, code_violations
from ..bundle.loader import open_bundle
from ..bundle.manifest import PROVENANCE, Estimate
from ..bundle.writer import canonical
from ..contract.validation import ContractViolationError
from ..governance.gates import Gate, GateError, judge_gates
from ..identity import whoami
from ..locks import locked
from ..project.project import Seam
from ..settings import Settings
from .backtest import run_backtest
from .bundle_builder import carried_sources, make_bundle, provenance
from .candidates import Say, make_baseline, make_model
from .challenger import set_challenger
from .comparison import compare_champion, gate_figures, measure_candidate, not_applicable_metrics
from .dataset import check_rows
from .evaluate import Evaluation
from .feature_check import raw_date_warnings, require_sound_features
from .leakage import count_copies, field_powers, leakage_warnings
from .linear_comparison import gain_over_linear
from .model_card import verdict_mark
from .model_card_text import NOT_FILLED_IN, ModelCardText
from .own_split import describe_split, split_rows, split_warnings
from .plots import draw_plots
from .refit import judge_refit, refit
from .registry import CHAMPION, Registry
from .run_facts import run_metrics, run_replicates, run_tags, settings_of_run
from .source_schema import schema_tag
from .sources import load_table
from .training_result import TrainingListener, TrainingResult

TRAINING_LOCK = "training.lock"
TRAINING_LOCK_REMEDY = (
    "Wait for it, or end it, or train in another state folder: ML_STATE_DIR=var-2"
)


def train(
    seam: Seam,
    settings: Settings,
    say: Say = print,
    *,
    kind: str = "model",
    until: datetime | None = None,
    gates: Sequence[Gate] = (),
    card_text: ModelCardText = NOT_FILLED_IN,
    listener: TrainingListener | None = None,
) -> TrainingResult:
    """Train and register a version; one training at a time runs in a state folder.

    `kind` is "model" or "baseline". `until` leaves out the rows from that time on, UTC. Without
    `gates` the version is registered and does not become the challenger. `listener` receives the
    result before the version may become the challenger. train() does not read the folder
    governance/; train_with_governance() does.

    Raises LockHeldError, CodeError or ContractViolationError before the training starts. Raises
    GateError if a gate fails; then the run is logged and nothing is registered.
    """
    with locked(
        settings.state_dir / TRAINING_LOCK,
        f"the training of a {kind}",
        whoami(),
        TRAINING_LOCK_REMEDY,
    ):
        return _train(seam, settings, say, kind, until, tuple(gates), card_text, listener)


def _train(
    seam: Seam,
    settings: Settings,
    say: Say,
    kind: str,
    until: datetime | None,
    gates: tuple[Gate, ...],
    card_text: ModelCardText,
    listener: TrainingListener | None,
) -> TrainingResult:
    task = seam.task()
    require_carried_code(seam, kind)
    table = load_table(seam.load, None, until)
    try:
        report, rows = check_rows(seam, table)
    except ContractViolationError as error:
        if listener:
            listener.data_refused(error.report)
        raise
    say(f"contract   {report.rows:,} rows conform to it, {len(rows):,} have a label")
    parts = split_rows(seam, rows)
    test = rows.subset(parts.test)
    if rows.at is None:
        say(
            "split      WARNING: it is random, because contract.py names no EVENT_TIME; a pilot "
            "requires one"
        )
    say(
        f"split      train {len(parts.train):,}, threshold {len(parts.validation):,}, test "
        f"{len(parts.test):,}"
    )
    for warning in split_warnings(seam, rows, parts):
        say(f"split      WARNING: {warning}")
    if left := len(rows) - sum(map(len, vars(parts).values())):
        say(
            f"split      {left:,} left out: rows of a {seam.terms.unit} that is tested, from the "
            f"training period, and of one that is learned, from the test period"
        )
    if kind == "model":
        require_sound_features(seam.inputs, rows.columns, seam.terms.personal)
        for warning in raw_date_warnings(seam.inputs):
            say(f"features   WARNING: {warning}")
    powers = field_powers(seam.terms.fields, rows.subset(parts.train), task)
    for warning in leakage_warnings(powers):
        say(f"leak       WARNING: {warning}")
    if seam.terms.unit is None and (count := count_copies(rows, parts)):
        say(
            f"leak       WARNING: {count:,} test rows equal a training row in every field. If "
            f"they are copies, name their GROUP in contract.py"
        )
    # Before the long work, so that a registry that is down is reported at once.
    registry = Registry(settings)
    today = make_baseline(seam, rows, parts)
    baseline = measure_candidate(seam, test, today)
    say(f"baseline   payoff per test row {_overall_value(baseline)}")
    candidate = (
        today
        if kind == "baseline"
        else make_model(seam, rows, parts, settings.model_megabytes, say)
    )
    evaluation = baseline if kind == "baseline" else measure_candidate(seam, test, candidate)
    say(
        f"{kind:10} payoff per test row {_overall_value(evaluation)}, "
        f"threshold {candidate.threshold:.4g}"
    )

    simpler = gain_over_linear(seam, rows, parts, candidate) if kind == "model" else None
    if simpler:
        say(f"simpler    payoff per test row above a linear model {_with_interval(simpler)}")
    windows = run_backtest(seam, rows, say) if kind == "model" else []
    champion = registry.get_by_alias(CHAMPION)
    rival, absent = compare_champion(
        seam,
        settings,
        registry,
        champion,
        test,
        candidate,
        evaluation,
        describe_split(seam, rows, parts),
    )
    if rival:
        say(
            f"champion   payoff per test row {_overall_value(rival.champion)} "
            f"(version {champion.number if champion else ''})"
        )
        if rival.since:
            say(
                f"champion   has learned the rows until {rival.since[:19]}, so both are compared "
                f"on {rival.rows:,} later test rows; there the {kind} has "
                f"{_overall_value(rival.candidate)}"
            )
    measured = gate_figures(evaluation, baseline, rival, powers, candidate.parity, windows)
    absent |= not_applicable_metrics(task, candidate, windows)
    verdicts = judge_gates(gates, measured, absent)
    served, refitted = candidate, None
    if seam.refit and kind == "model" and all(verdict.passed is not False for verdict in verdicts):
        served, refitted = refit(seam, rows, parts, candidate, settings.model_megabytes, say)
        verdicts = judge_refit(gates, verdicts, served, refitted)
    for verdict in verdicts:
        say(f"gate       {verdict_mark(verdict)} {verdict.gate.id}: {verdict.says}")

    tags = {
        "kind": kind,
        "task": task,
        "compared_with": str(champion.number) if champion else "",
        "verdict": "passed" if gates else "not judged",
        "domain": seam.digest,
    }
    facts = run_tags(seam, kind, test, verdicts) | {"split": describe_split(seam, rows, parts)}
    chosen = settings_of_run(seam, kind)
    metrics = {name: figure.value for name, figure in evaluation.overall().items()}
    metrics |= run_metrics(evaluation)
    artifacts = run_replicates(evaluation) | {
        "gates.json": canonical(
            [{"gate": v.gate.id, "passed": v.passed, "says": v.says} for v in verdicts]
        )
    }
    scores = candidate.runtime.score(test.columns)
    artifacts |= draw_plots(seam, task, test, scores, candidate.threshold, evaluation, baseline)
    if any(verdict.passed is False for verdict in verdicts):
        refused = tags | facts | {"verdict": "refused"}
        registry.log_run(refused, metrics, artifacts, None, chosen)
        raise GateError(verdicts)
    with TemporaryDirectory() as folder:
        bundle = make_bundle(
            seam,
            Path(folder),
            rows,
            parts,
            served,
            evaluation,
            baseline,
            verdicts,
            card_text,
            refitted,
            windows,
        )
        limit = settings.model_megabytes
        # A bundle that cannot be opened here could not be loaded by a service either.
        open_bundle(bundle, seam.terms.fields, seam.baseline, allow_pickle=True, megabytes=limit)
        made = provenance(seam.root)
        (bundle / PROVENANCE).write_bytes(canonical(made))
        facts["bundle"] = bundle.name
        run = registry.log_run(tags | facts, metrics, artifacts, bundle, chosen)
        version = registry.register(run, bundle.name, tags | schema_tag(table, seam.terms))
    result = TrainingResult(
        version,
        verdicts,
        evaluation,
        baseline,
        report,
        replace(candidate, parity=served.parity),
        test,
        measured,
        simpler,
        made["commit"],
        windows,
    )
    if listener:
        listener.registered(result)
    say(f"registered {registry.name} version {version.number}, bundle {version.digest[:12]}")
    if gates:
        set_challenger(registry, version, kind, say)
    else:
        say(f"challenger unchanged: no gates were given, so none judged version {version.number}")
    return result


def require_carried_code(seam: Seam, kind: str) -> None:
    """Raises CodeError if the code of a new bundle does what such code may not do."""
    any_import = kind == "model" and seam.runtime == "python"
    sources = carried_sources(seam, kind)
    if errors := list(code_violations(sources, seam.package, any_import=any_import)):
        raise CodeError("; ".join(errors))


def _overall_value(result: Evaluation) -> str:
    return _with_interval(result.figures["value", ""])


def _with_interval(figure: Estimate) -> str:
    return f"{figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f})"
