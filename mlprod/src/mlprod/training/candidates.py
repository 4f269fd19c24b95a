"""Candidates of a training: the baseline, and a model as the service will run it."""

from collections.abc import Callable

from ..bundle.limits import MODEL_MEGABYTES
from ..bundle.runtime import BaselineRuntime
from ..contract.encoding import sample_columns
from ..project.project import Seam
from .bundle_builder import Candidate
from .dataset import Dataset
from .export import export, measure_parity, runtime_of, try_export
from .fit import choose_threshold, fit, require_finite
from .split import Split

Say = Callable[[str], None]
# Synthetic rows that the baseline must be able to score.
BASELINE_SAMPLE_ROWS = 1_000


def make_baseline(seam: Seam, rows: Dataset, parts: Split) -> Candidate:
    """Make the baseline candidate, with the best threshold on the validation rows.

    The threshold makes the comparison with a model fair. Raises InvalidScoresError if baseline()
    does not return one finite number for each row.
    """
    runtime, validation = BaselineRuntime(seam.baseline), rows.subset(parts.validation)
    require_finite(
        runtime.score(sample_columns(seam.terms.fields, BASELINE_SAMPLE_ROWS, seed=3)),
        BASELINE_SAMPLE_ROWS,
        "baseline()",
    )
    require_finite(runtime.score(rows.columns), len(rows), "baseline()")
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
    estimator = fit(seam, rows.subset(parts.train), say)
    files = export(seam, estimator)
    size, memory = try_export(seam, files, megabytes)
    say(
        f"size       {size:,.1f} MB of files, {memory:,.0f} MB of memory; "
        f"the limit is {megabytes} MB"
    )
    runtime, validation = runtime_of(seam, files), rows.subset(parts.validation)
    threshold = choose_threshold(seam, validation, runtime.score(validation.columns))
    return Candidate(
        "model",
        runtime,
        files,
        threshold,
        measure_parity(seam, estimator, runtime, rows.subset(parts.test)),
    )
