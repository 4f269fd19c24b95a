import os
from pathlib import Path

import pytest
from onnx_models import SECRET

from mlprod.bundle.errors import BundleFilesError
from mlprod.bundle.files import bundle_digest, bundle_files, folder_digest, require_name

CONTENT = {"card.md": b"# A card\n", "model/model.pkl": b"\x00\x01"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in CONTENT.items():
        path = tmp_path / "bundle" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "bundle"


def test_the_digest_of_a_folder_is_that_of_its_files_without_provenance(folder: Path) -> None:
    (folder / "provenance.json").write_text("{}")
    assert folder_digest(folder) == bundle_digest(CONTENT)
    assert bundle_files(folder).keys() == CONTENT.keys()


def test_a_file_of_that_name_in_a_folder_below_is_part_of_the_bundle(folder: Path) -> None:
    (folder / "model" / "provenance.json").write_text("{}")
    assert folder_digest(folder) != bundle_digest(CONTENT)


def link_to_a_file(folder: Path) -> None:
    (folder.parent / "keys.json").write_bytes(SECRET)
    (folder / "reference.json").symlink_to("../keys.json")


def link_to_the_same_file(folder: Path) -> None:
    (folder / "card.md").rename(folder.parent / "card.md")
    (folder / "card.md").symlink_to("../card.md")


def link_to_a_folder(folder: Path) -> None:
    (folder / "more").symlink_to(folder.parent, target_is_directory=True)


def link_as_provenance(folder: Path) -> None:
    (folder / "provenance.json").symlink_to("/dev/zero")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "reference.json")


def pipe_as_provenance(folder: Path) -> None:
    os.mkfifo(folder / "provenance.json")


def invalid_name(folder: Path) -> None:
    (folder / "a b\nc").write_text("")


HARM = [
    link_to_a_file,
    link_to_the_same_file,
    link_to_a_folder,
    link_as_provenance,
    pipe,
    pipe_as_provenance,
    invalid_name,
]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("harm", HARM)
def test_a_link_pipe_or_invalid_name_is_reported_and_never_opened(
    folder: Path, harm: object
) -> None:
    assert callable(harm)
    harm(folder)
    with pytest.raises(
        BundleFilesError, match=r"link, a pipe or a device|not a valid name for a file"
    ):
        bundle_files(folder)
    assert folder_digest(folder) != bundle_digest(CONTENT)


@pytest.mark.parametrize(
    "name", ["../card.md", "a/../b", "/etc/passwd", "", ".", "a//b", "a\n", "a b", "a\\b", "a/."]
)
def test_a_name_that_could_lead_out_of_the_folder_is_refused(name: str) -> None:
    with pytest.raises(BundleFilesError, match="not a valid name for a file"):
        require_name(name)


@pytest.mark.parametrize("name", ["card.md", "model/model.pkl", ".hidden", "..a", "a/b/c-1_2.json"])
def test_plain_names_are_accepted(name: str) -> None:
    require_name(name)
