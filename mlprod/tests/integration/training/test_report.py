import re
from pathlib import Path

import pytest
from conftest import Registered, Trained

from mlprod.atomic_write import atomic_write
from mlprod.training import report
from mlprod.training.registry import Registry, RegistryError
from mlprod.training.report import write_report

PLOT = re.compile(r"!\[(.+)\]\((.+)\)")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_card_is_written_with_its_plots_first(trained: Trained, tmp_path: Path) -> None:
    page = write_report(Registry(trained.settings), trained.result.version, tmp_path / "model")
    text = page.read_text(encoding="utf-8")
    plots = PLOT.findall(text)
    assert [Path(link).name for _, link in plots] == [
        "money.svg",
        "calibration.svg",
        "slices.svg",
    ]
    assert all((page.parent / link).read_bytes().startswith(b"<?xml") for _, link in plots)
    assert all(not Path(link).is_absolute() for _, link in plots)
    assert text.index("## Plots") < text.index("## Model Details")
    assert f"Version {trained.result.version.number} of {trained.settings.model_name}" in text
    card = (trained.bundle / "card.md").read_text(encoding="utf-8")
    assert text.endswith(card[card.index("## Model Details") :])


def test_each_plot_has_a_description(trained: Trained, tmp_path: Path) -> None:
    page = write_report(Registry(trained.settings), trained.result.version, tmp_path).read_text(
        encoding="utf-8"
    )
    descriptions = {Path(link).stem: text for text, link in PLOT.findall(page)}
    value, today = (
        result.figures["value", ""].value
        for result in (trained.result.evaluation, trained.result.baseline)
    )
    assert f"{value:.4g} at the chosen threshold" in descriptions["money"]
    assert f"{today:.4g} with the baseline" in descriptions["money"]
    assert "calibration error: " in descriptions["calibration"]
    assert "4 in all" in descriptions["slices"]


def test_repeated_report_changes_nothing(trained: Trained, tmp_path: Path) -> None:
    write_report(Registry(trained.settings), trained.result.version, tmp_path)
    before = files(tmp_path)
    write_report(Registry(trained.settings), trained.result.version, tmp_path)
    assert files(tmp_path) == before


def test_report_of_another_version_replaces_the_old_and_leaves_other_files(
    trained: Trained, trained_baseline: Trained, tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.md").write_text("mine")
    write_report(Registry(trained.settings), trained.result.version, tmp_path)
    write_report(Registry(trained_baseline.settings), trained_baseline.result.version, tmp_path)
    place = trained_baseline.bundle.name[:12]
    assert sorted(files(tmp_path)) == sorted(
        ["card.md", "notes/mine.md", f"{place}/calibration.svg", f"{place}/money.svg"]
    )


@pytest.mark.parametrize("after", [0, 1, 2])
def test_interrupted_report_leaves_the_old_card_with_its_plots(
    trained: Trained,
    trained_baseline: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    write_report(Registry(trained.settings), trained.result.version, tmp_path)
    before, write = files(tmp_path), atomic_write
    written: list[Path] = []

    def interrupted(path: Path, content: bytes) -> None:
        if len(written) == after:
            raise KeyboardInterrupt
        written.append(path)
        write(path, content)

    monkeypatch.setattr(report, "atomic_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(Registry(trained_baseline.settings), trained_baseline.result.version, tmp_path)
    assert before.items() <= files(tmp_path).items()


def test_report_of_a_version_without_plots_has_none(
    registry: Registry, model: Path, tmp_path: Path
) -> None:
    old = registry.register(registry.log_run({}, {}, {}, model), model.name, {})
    page = write_report(registry, old, tmp_path / "report").read_text(encoding="utf-8")
    assert "This version has no plots." in page
    assert PLOT.findall(page) == []


def test_report_of_a_changed_bundle_is_refused(
    registry: Registry, register: Registered, model: Path, tmp_path: Path
) -> None:
    (model / "card.md").write_text("# Better than it is\n")
    changed = registry.register(registry.log_run({}, {}, {}, model), model.name, {})
    lost = register("f" * 64)
    for version, message in ((changed, "but arrived as"), (lost, "has no bundle")):
        with pytest.raises(RegistryError, match=message):
            write_report(registry, version, tmp_path / "report")
    assert not (tmp_path / "report").exists()
