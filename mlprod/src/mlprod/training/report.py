"""The model card of a version with its pictures, as pages: var/report/card.md."""

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from ..atomic_write import atomic_write
from ..bundle.manifest import MANIFEST, Manifest, folder_digest, read_manifest
from .registry import FOLDER, Registry, RegistryError, Version

CARD = "card.md"
NAMED = re.compile("[0-9a-f]{12}")  # folders of pictures, after the bundle that they show


def write_report(registry: Registry, version: Version, folder: Path) -> Path:
    """Write the card of a version into `folder`, its pictures beside it; gives the card's path.

    The card is replaced last and at once, and each bundle's pictures lie in a folder of their own:
    whatever is interrupted leaves the old card with the old pictures. Raises RegistryError for
    another bundle than was registered.
    """
    with TemporaryDirectory() as fetched:
        run = registry.download_run(version, Path(fetched))
        bundle = run / FOLDER
        if not bundle.is_dir() or (result := folder_digest(bundle)) != version.digest:
            received = f"came as {result[:12]}" if bundle.is_dir() else "has no bundle"
            raise RegistryError(
                f"version {version.number} is {version.digest[:12]} but {received}: no report"
            )
        manifest = read_manifest((bundle / MANIFEST).read_bytes())
        shown = {
            name: message for name, message in _seen(manifest).items() if (run / name).is_file()
        }
        place = folder / version.digest[:12]
        place.mkdir(parents=True, exist_ok=True)
        for name in shown:
            atomic_write(place / name, (run / name).read_bytes())
        text = (bundle / CARD).read_text(encoding="utf-8")
    title, rest = text.split("\n## ", 1) if "\n## " in text else (text, "")
    pages = [
        title.rstrip(),
        f"Version {version.number} of {registry.name}, bundle `{version.digest}`. Written "
        f"anew for each version.",
        "## Pictures",
        *(f"![{output}]({place.name}/{name})" for name, output in shown.items()),
        *([] if shown else ["None were drawn with this version."]),
    ]
    atomic_write(
        folder / CARD, ("\n\n".join(pages) + (f"\n\n## {rest}" if rest else "\n")).encode()
    )
    for other in folder.iterdir():
        if other.is_dir() and NAMED.fullmatch(other.name) and other != place:
            shutil.rmtree(other)
    return folder / CARD


def _seen(manifest: Manifest) -> dict[str, str]:
    """Picture → what is seen on it, in words for those who cannot see it.

    In the order of the page.
    """
    value, today = manifest.metrics["value"], manifest.baseline["value"]
    slices = len(manifest.slices)
    return {
        "money.svg": f"Mean payoff for each row at every threshold: {value.value:.4g} at the chosen "
        f"threshold "
        f"{manifest.threshold:.4g}, {today.value:.4g} with the baseline",
        "calibration.svg": f"What was predicted against what came, in bins of {value.n:,} test rows; on the "
        f"dashed "
        f"line both are equal. {_error(manifest)}",
        "slices.svg": f"Value less the baseline's by slice, {slices} in all, worst at the top, with "
        f"intervals",
    }


def _error(manifest: Manifest) -> str:
    name = "calibration_error" if manifest.task == "binary" else "mae"
    return f"{name.replace('_', ' ')}: {manifest.metrics[name].value:.4g}"
