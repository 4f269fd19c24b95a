"""The pipeline as a recipe: each step is a plain function that can be called alone."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ..bundle.loader import open_bundle
from ..bundle.manifest import PROVENANCE, Estimate
from ..bundle.writer import canonical
from ..contract.validation import ContractViolationError
from ..governance.gates import Gate, GateError, judge
from ..identity import whoami
from ..locks import locked
from ..project.project import Seam
from ..settings import Settings
from . import source_schema
from .bundle_builder import make_bundle, provenance
from .candidates import Say, make_baseline, make_model
from .challenger import challenge
from .comparison import compare_champion, figures, measure, not_applicable
from .dataset import checked
from .evaluate import Evaluation
from .leakage import copies, field_powers, warnings
from .linear_comparison import more_than_simple
from .model_card import mark
from .model_card_text import NOT_FILLED_IN, ModelCardText
from .plots import pictures
from .registry import CHAMPION, Registry
from .sources import loaded
from .split import split
from .training_result import TrainingListener, TrainingResult

LOCK, LOCK_WORKS = (
    "training.lock",
    "Wait for it, or end it; or train apart from it: ML_STATE_DIR=var-2",
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
    """From rows to a registered version; one training at a time in a state folder.

    `kind` is "model" or "baseline". `until` leaves out the rows from that time on, UTC. Without
    `gates` the version is registered and does not become the challenger. `listener` receives the
    result before the version may become it. The folder governance/ is not read:
    train_with_governance() does that.

    Raises LockHeldError and ContractViolationError before anything is trained; GateError after: the
    run is logged, nothing registered.
    """
    with locked(settings.state_dir / LOCK, f"the training of a {kind}", whoami(), LOCK_WORKS):
        return _train(seam, settings, say, kind, until, tuple(gates), card_text, listener)


def _train(
    seam: Seam, settings: Settings, say: Say, kind: str, until: datetime | None, gates: tuple[Gate, ...],
    card_text: ModelCardText, listener: TrainingListener | None,
) -> TrainingResult:  # fmt: skip
    task = seam.task()
    table = loaded(seam.load, None, until)
    try:
        report, rows = checked(seam, table)
    except ContractViolationError as error:
        if listener:
            listener.data_refused(error.report)
        raise
    say(f"contract   {report.rows:,} rows hold it, {len(rows):,} have a label")
    parts = split(rows, task, seam.terms)
    test = rows.take(parts.test)
    if rows.at is None:
        say(
            "split      WARNING: by chance, since the contract names no EVENT_TIME; a "
            "pilot needs one"
        )
    say(
        f"split      learn {len(parts.train):,}, threshold {len(parts.validation):,}, test "
        f"{len(parts.test):,}"
    )
    if left := len(rows) - sum(map(len, vars(parts).values())):
        say(
            f"split      {left:,} left out: test units from the time of learning, learnt "
            f"units from the time of testing"
        )
    powers = field_powers(seam.terms.fields, rows.take(parts.train), task)
    for warning in warnings(powers):
        say(f"leak       WARNING: {warning}")
    if seam.terms.unit is None and (count := copies(rows, parts)):
        say(
            f"leak       WARNING: {count:,} test rows equal a learnt row in every field. "
            f"Copies? Name their GROUP"
        )
    registry = Registry(settings)  # before the long work: a registry that is away is known at once
    today = make_baseline(seam, rows, parts)
    baseline = measure(seam, test, today)
    say(f"baseline   worth {_money(baseline)} a row on test")
    candidate = (
        today
        if kind == "baseline"
        else make_model(seam, rows, parts, settings.model_megabytes, say)
    )
    matches = baseline if kind == "baseline" else measure(seam, test, candidate)
    say(f"{kind:10} worth {_money(matches)} a row on test, threshold {candidate.threshold:.4g}")

    simpler = more_than_simple(seam, rows, parts, candidate) if kind == "model" else None
    if simpler:
        say(f"simpler    it is worth {_said(simpler)} a row more than a linear model")
    champion = registry.get_by_alias(CHAMPION)
    rival, absent = compare_champion(seam, settings, registry, champion, test, kind)
    if rival:
        say(
            f"champion   worth {_money(rival)} a row on the same rows (version "
            f"{champion.number if champion else ''})"
        )
    measured = figures(matches, baseline, rival, powers, candidate.parity)
    verdicts = judge(gates, measured, absent | not_applicable(task, candidate))
    for verdict in verdicts:
        say(f"gate       {mark(verdict)} {verdict.gate.id}: {verdict.says}")

    tags = {
        "kind": kind,
        "task": task,
        "compared_with": str(champion.number) if champion else "",
        "verdict": "passed" if gates else "not judged",
        "domain": seam.digest,
    }
    metrics = {name: figure.value for name, figure in matches.whole().items()}
    artifacts = {
        "gates.json": canonical(
            [{"gate": v.gate.id, "passed": v.passed, "says": v.says} for v in verdicts]
        )
    }
    scores = candidate.runtime.score(test.columns)
    artifacts |= pictures(seam, task, test, scores, candidate.threshold, matches, baseline)
    if any(verdict.passed is False for verdict in verdicts):
        registry.log_run(tags | {"verdict": "refused"}, metrics, artifacts, None)
        raise GateError(verdicts)
    with TemporaryDirectory() as folder:
        bundle = make_bundle(
            seam, Path(folder), rows, parts, candidate, matches, baseline, verdicts, card_text
        )
        limit = settings.model_megabytes
        open_bundle(
            bundle, seam.terms.fields, seam.baseline, allow_pickle=True, megabytes=limit
        )  # or no service could
        made = provenance(seam.root)
        (bundle / PROVENANCE).write_bytes(canonical(made))
        run = registry.log_run(tags, metrics, artifacts, bundle)
        version = registry.register(run, bundle.name, tags | source_schema.said(table, seam.terms))
    result = TrainingResult(
        version,
        verdicts,
        matches,
        baseline,
        report,
        candidate,
        test,
        measured,
        simpler,
        made["commit"],
    )
    if listener:
        listener.registered(result)
    say(f"registered {registry.name} version {version.number}, bundle {version.digest[:12]}")
    if gates:
        challenge(registry, version, kind, say)
    else:
        say(f"challenger unchanged: no gate judged version {version.number}, since none was given")
    return result


def _money(result: Evaluation) -> str:
    return _said(result.figures["value", ""])


def _said(figure: Estimate) -> str:
    return f"{figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f})"
