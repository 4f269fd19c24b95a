"""Candidates of a training: the baseline, and a model as the service will run it."""

from collections.abc import Callable

from ..bundle.limits import MODEL_MEGABYTES
from ..bundle.manifest import Parity
from ..bundle.runtime import BaselineRuntime, Runtime
from ..contract.encoding import sample_columns
from ..project.project import Seam
from .bundle_builder import Candidate
from .dataset import Dataset
from .export import export, measure_parity, runtime_of, try_export
from .fit import choose_threshold, fit, require_scores
from .split import Split

Say = Callable[[str], None]
# Synthetic rows that the baseline must be able to score.
BASELINE_SAMPLE_ROWS = 1_000


def make_baseline(seam: Seam, rows: Dataset, parts: Split) -> Candidate:
    """Make the baseline candidate, with the best threshold on the validation rows.

    The threshold makes the comparison with a model fair. Raises InvalidScoresError if baseline()
    does not return one finite number for each row, or the probability of each class.
    """
    runtime, validation = BaselineRuntime(seam.baseline), rows.subset(parts.validation)
    classes = seam.terms.classes
    require_scores(
        runtime.score(sample_columns(seam.terms.fields, BASELINE_SAMPLE_ROWS, seed=3)),
        BASELINE_SAMPLE_ROWS,
        "baseline()",
        classes,
    )
    require_scores(runtime.score(rows.columns), len(rows), "baseline()", classes)
    return Candidate(
        "baseline",
        runtime,
        {},
        choose_threshold(seam, validation, runtime.score(validation.columns)),
        None,
    )


def make_model(
    seam: Seam,
    rows: Dataset,
    parts: Split,
    megabytes: int = MODEL_MEGABYTES,
    say: Say = lambda _: None,
) -> Candidate:
    """Fit and export a model, and measure the parity of the export with the estimator.

    All later figures are those of the exported model. Raises FitError,
    UnsupportedStepError, ExportError, and BundleError if the model needs more than `megabytes`, so
    that the service would not load it.
    """
    runtime, files, parity = fit_and_export(
        seam, rows.subset(parts.train), rows.subset(parts.test), megabytes, say
    )
    validation = rows.subset(parts.validation)
    threshold = choose_threshold(seam, validation, runtime.score(validation.columns))
    return Candidate("model", runtime, files, threshold, parity)


def fit_and_export(
    seam: Seam, learn: Dataset, compared: Dataset, megabytes: int, say: Say
) -> tuple[Runtime, dict[str, bytes], Parity]:
    """Fit and export a model, and measure the parity of the export on the rows `compared`.

    Raises what make_model() raises.
    """
    estimator = fit(seam, learn, say)
    files = export(seam, estimator)
    size, memory = try_export(seam, files, megabytes)
    say(
        f"size       {size:,.1f} MB of files, {memory:,.0f} MB of memory; "
        f"the limit is {megabytes} MB"
    )
    runtime = runtime_of(seam, files)
    return runtime, files, measure_parity(seam, estimator, runtime, compared)
