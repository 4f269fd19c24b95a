"""The format of a manifest: unknown keys are ignored, and a newer format is refused by name."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from mlprod.bundle.manifest import FORMAT, FormatError, Manifest, read_manifest
from mlprod.bundle.writer import write_bundle

FIRST = Path(__file__).parents[2] / "first_version"
MANIFESTS = sorted(FIRST.glob("*/manifest.json"))


def changed(**changes: object) -> bytes:
    return json.dumps(json.loads(MANIFESTS[0].read_bytes()) | changes).encode()


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.parent.name[:8])
def test_a_manifest_of_the_first_version_names_no_format_and_has_format_1(path: Path) -> None:
    assert "format" not in json.loads(path.read_bytes())
    assert read_manifest(path.read_bytes()).format == 1


def test_unknown_keys_of_a_later_version_are_ignored() -> None:
    known = read_manifest(changed())
    inputs = [item | {"later": [1]} for item in json.loads(changed())["inputs"]]
    assert read_manifest(changed(later={"a": 1}, inputs=inputs)) == known


@pytest.mark.parametrize("format", [FORMAT + 1, 99])
def test_a_newer_format_is_refused_whatever_else_the_manifest_holds(format: int) -> None:
    message = (
        rf"format {format}, and this version of mlprod reads formats up to {FORMAT}. Works: "
        rf"make update"
    )
    for content in (changed(format=format), json.dumps({"format": format}).encode()):
        with pytest.raises(FormatError, match=message):
            read_manifest(content)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", changed(format="one"), changed(format=0), changed(kind="other")]
)
def test_content_that_is_not_a_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(ValidationError):
        read_manifest(content)


def test_a_written_manifest_has_its_format_and_no_unknown_key(tmp_path: Path) -> None:
    facts = read_manifest(changed()).model_dump(exclude={"format", "files"})
    folder = write_bundle(tmp_path, facts, {"card.md": b"# A card\n"})
    written = (folder / "manifest.json").read_bytes()
    assert json.loads(written)["format"] == FORMAT
    # Only a bundle with classes lists them.
    assert set(json.loads(written)) == set(Manifest.model_fields) - {"classes"}
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        write_bundle(tmp_path, {**facts, "treshold": 1}, {})
