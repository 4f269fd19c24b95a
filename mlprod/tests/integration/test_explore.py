import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fixture_project import PACKAGE, PROJECT

from mlprod.explore import ProjectNotFoundError, rows
from mlprod.project.project import Project
from mlprod.training.dataset import load_rows
from mlprod.training.split import split


def test_frame_has_the_contract_and_the_split_of_the_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(PROJECT / "notebooks")
    frame = rows()
    seam = Project(PACKAGE).seam()
    terms = seam.terms
    assert list(frame) == [
        terms.id,
        terms.unit,
        terms.time,
        *terms.fields.names,
        terms.label,
        "_split",
    ]
    assert frame[terms.time].is_monotonic_increasing
    dataset = load_rows(seam)[1]
    parts = split(dataset, seam.task(), terms)
    assert dataset.ids is not None
    for name, part in vars(parts).items():
        assert set(frame[frame._split == name][terms.id]) == set(dataset.ids[part])
    assert frame[frame[terms.label].isna()]._split.eq("").all()
    assert Path.cwd() == PROJECT / "notebooks"


def test_frame_has_the_split_of_data_py(monkeypatch: pytest.MonkeyPatch) -> None:
    def own(id: str) -> str:
        return "test" if by_id[id] < "c01250" else "train"

    monkeypatch.chdir(PROJECT)
    plain = rows()
    by_id = dict(zip(plain.transaction_id, plain.card_id, strict=True))
    monkeypatch.setattr(f"{PACKAGE}.data.SPLIT", own, raising=False)
    frame = rows()
    labeled = frame[frame.fraud.notna()]
    assert (labeled._split.eq("test") == (labeled.card_id < "c01250")).all()


def test_notebook_outside_of_a_project_gets_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProjectNotFoundError, match="open the notebook in the project's folder"):
        rows()


def test_linter_and_formatter_leave_notebooks_alone(tmp_path: Path) -> None:
    folder = shutil.copytree(PROJECT / "notebooks", tmp_path / "notebooks")
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    notebook = Path(folder, "explore.ipynb")
    notebook.write_text(notebook.read_text().replace("frame.head()", "import os;x  =  1"))
    for parts in (["check", "."], ["format", "--check", "."]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *parts],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
