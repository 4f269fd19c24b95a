"""The locks of the baked project: three sets that agree, hashed, and free of addresses."""

import re

import pytest
from conftest import UNBAKED

SETS = ("serve", "pipeline", "dev")
KEPT_OUT_OF_THE_SERVICE = {
    "alembic",
    "ibis-framework",
    "mlflow-skinny",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skl2onnx",
}


def locked(name: str) -> dict[str, str]:
    """Package → version with its marker."""
    text = (UNBAKED / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)(==[^\\\n]+?) \\$", text, re.MULTILINE))


@pytest.mark.parametrize(("smaller", "larger"), [("serve", "pipeline"), ("pipeline", "dev")])
def test_a_smaller_set_is_part_of_the_larger_one(smaller: str, larger: str) -> None:
    versions, all_versions = locked(smaller), locked(larger)
    assert len(versions) > 10
    bare = {name: version.partition(" ;")[0] for name, version in versions.items()}
    assert bare == {name: all_versions[name].partition(" ;")[0] for name in versions}


def test_the_service_holds_nothing_that_trains() -> None:
    assert not KEPT_OUT_OF_THE_SERVICE & set(locked("serve"))
    assert set(locked("pipeline")) >= {"scikit-learn", "mlflow-skinny"}, "the names above must be the locks' own"


def test_the_server_of_the_registry_is_of_the_version_that_is_spoken_to() -> None:
    assert locked("registry")["mlflow"] == locked("pipeline")["mlflow-skinny"]
    assert set(locked("registry")) >= {"boto3", "psycopg-binary"}


@pytest.mark.parametrize("name", [*SETS, "registry"])
def test_every_package_is_hashed_and_no_address_is_written(name: str) -> None:
    text = (UNBAKED / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert "--index" not in text
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert all("--hash=sha256:" in entry for entry in entries)
