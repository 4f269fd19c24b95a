"""Verbs for work in a notebook: predictions to compare, and rows that may be committed."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from .verb import option, verb


@verb(
    "parity",
    option(
        "--predictions",
        required=True,
        help="CSV or Parquet file with the id and `score`; fields of the contract are compared too",
    ),
    option("--version", type=int, help="default: the challenger, else the champion"),
)
def parity(args: argparse.Namespace) -> int:
    """Compare predictions of a notebook with the project; exit 1 if a difference is unexplained."""
    from ..atomic_write import atomic_write
    from ..bundle.loader import open_bundle
    from ..display.plain_text import display
    from ..ops.readiness_inputs import registry_if_any
    from ..training.parity import compare_predictions
    from ..training.parity_report import describe_parity, parity_table
    from ..training.predictions import read_predictions
    from ..training.registry import CHALLENGER, CHAMPION

    seam, settings = args.project.seam(), args.project.settings()
    predictions = read_predictions(args.predictions, seam.terms, seam.task())
    registry = registry_if_any(settings)
    version = None
    if registry and args.version:
        version = registry.version(args.version)
    elif registry:
        version = registry.get_by_alias(CHALLENGER) or registry.get_by_alias(CHAMPION)
    if registry is None or version is None:
        print("there is no model to compare with; the next step is make train")
        return 1
    with TemporaryDirectory() as folder:
        bundle = open_bundle(
            registry.download(version, Path(folder)),
            seam.terms.fields,
            seam.baseline,
            digest=version.digest,
            allow_pickle=settings.allow_pickle,
            megabytes=settings.model_megabytes,
        )
        result = compare_predictions(seam, bundle, predictions)
    for line in describe_parity(result, f"version {version.number} ({version.kind})"):
        print(display(line))
    table = settings.state_dir / "report" / "parity.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(table, parity_table(result, seam.terms.id))
    print(f"each row: {table}")
    return 0 if result.passed else 1


@verb("sample")
def sample(args: argparse.Namespace) -> int:
    """Write data/sample.parquet: rows without PII for tests where load() has none."""
    from ..display.plain_text import display
    from ..training.sample import SAMPLE, replaced_columns, write_sample

    seam = args.project.seam()
    print(display(f"{SAMPLE}: {write_sample(seam, seam.root / SAMPLE)}"))
    print(
        f"Replaced: {', '.join(replaced_columns(seam.terms))}. All other values of real rows are "
        f"as they are; name a field in PII of contract.py to replace it. Then commit the file: "
        f"git add {SAMPLE}"
    )
    return 0
