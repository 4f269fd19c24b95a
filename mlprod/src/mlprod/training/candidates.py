"""The candidates of a training: what is done today, and a model as the service will run it."""

from collections.abc import Callable

from ..bundle.limits import MODEL_MEGABYTES
from ..bundle.runtime import BaselineRuntime
from ..contract.encoding import sample
from ..project.project import Seam
from .bundle_builder import Candidate
from .dataset import Dataset
from .export import export, parity, runtime_of, try_export
from .fit import choose_threshold, fit, require_finite
from .split import Split

Say = Callable[[str], None]
BASELINE_SAMPLE_ROWS = 1_000  # made-up rows that the baseline must be able to score


def make_baseline(seam: Seam, rows: Dataset, parts: Split) -> Candidate:
    """What is done today, given the best threshold that the validation rows offer: a fair opponent."""
    runtime, validation = BaselineRuntime(seam.baseline), rows.take(parts.validation)
    require_finite(
        runtime.score(sample(seam.terms.fields, BASELINE_SAMPLE_ROWS, seed=3)),
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
    """Fit, export, and prove the export equal. All figures are then those of the exported model.

    Raises BundleError for a model that the service would not load: it takes more than `megabytes`,
    or never ends.
    """
    estimator = fit(seam, rows.take(parts.train))
    files = export(seam, estimator)
    size, memory = try_export(seam, files, megabytes)
    say(
        f"size       {size:,.1f} MB of files, {memory:,.0f} MB of memory; the limit is {megabytes} MB"
    )
    runtime, validation = runtime_of(seam, files), rows.take(parts.validation)
    threshold = choose_threshold(seam, validation, runtime.score(validation.columns))
    return Candidate(
        "model", runtime, files, threshold, parity(seam, estimator, runtime, rows.take(parts.test))
    )
