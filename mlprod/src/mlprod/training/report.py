"""Report of a version: its model card with its plots, in var/report/card.md."""

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from ..atomic_write import atomic_write
from ..bundle.manifest import MANIFEST, Manifest, folder_digest, read_manifest
from .registry import BUNDLE_FOLDER, Registry, RegistryError, Version

CARD = "card.md"
# Each bundle has a folder of plots, which is named by its digest.
PLOT_FOLDER = re.compile("[0-9a-f]{12}")


def write_report(registry: Registry, version: Version, folder: Path) -> Path:
    """Write the card of a version into `folder`, with its plots, and return the card's path.

    The card is replaced last, in one step, and each bundle has a plot folder of its own. So an
    interrupted run leaves the old card with the old plots. Raises RegistryError if the bundle
    differs from the registered one.
    """
    with TemporaryDirectory() as fetched:
        run = registry.download_run(version, Path(fetched))
        bundle = run / BUNDLE_FOLDER
        if not bundle.is_dir() or (result := folder_digest(bundle)) != version.digest:
            received = f"arrived as {result[:12]}" if bundle.is_dir() else "has no bundle"
            raise RegistryError(
                f"version {version.number} is {version.digest[:12]} but {received}; no report was "
                "written"
            )
        manifest = read_manifest((bundle / MANIFEST).read_bytes())
        descriptions = {
            name: text
            for name, text in _plot_descriptions(manifest).items()
            if (run / name).is_file()
        }
        place = folder / version.digest[:12]
        place.mkdir(parents=True, exist_ok=True)
        for name in descriptions:
            atomic_write(place / name, (run / name).read_bytes())
        card = (bundle / CARD).read_text(encoding="utf-8")
    title, rest = card.split("\n## ", 1) if "\n## " in card else (card, "")
    pages = [
        title.rstrip(),
        f"Version {version.number} of {registry.name}, bundle `{version.digest}`. "
        "`make report` overwrites this page.",
        "## Plots",
        *(f"![{text}]({place.name}/{name})" for name, text in descriptions.items()),
        *([] if descriptions else ["This version has no plots."]),
    ]
    atomic_write(
        folder / CARD, ("\n\n".join(pages) + (f"\n\n## {rest}" if rest else "\n")).encode()
    )
    for other in folder.iterdir():
        if other.is_dir() and PLOT_FOLDER.fullmatch(other.name) and other != place:
            shutil.rmtree(other)
    return folder / CARD


def _plot_descriptions(manifest: Manifest) -> dict[str, str]:
    """Return plot → its description for people who cannot see it, in the order of the page."""
    value, today = manifest.metrics["value"], manifest.baseline["value"]
    slices = sum("value" in item.metrics for item in manifest.slices)
    return {
        "money.svg": f"Mean payoff per row at every threshold: {value.value:.4g} at the chosen "
        f"threshold {manifest.threshold:.4g}, {today.value:.4g} with the baseline",
        "calibration.svg": f"Mean outcome over mean score, in bins of {value.n:,} test rows; on "
        f"the dashed line both are equal. {_error(manifest)}",
        "confusion.svg": "Confusion matrix: how often each class occurred while each class was the "
        "most probable, in test rows",
        "slices.svg": f"Value minus the baseline's by slice, {slices} in all, worst at the top, "
        "with intervals",
    }


def _error(manifest: Manifest) -> str:
    name = "mae" if manifest.task == "regression" else "calibration_error"
    return f"{name.replace('_', ' ')}: {manifest.metrics[name].value:.4g}"
