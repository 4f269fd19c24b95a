import socket
from pathlib import Path

import pytest
from conftest import Registered

from mlprod.settings import Settings
from mlprod.training.registry import CHALLENGER, CHAMPION, Registry, RegistryError


def test_unset_alias_names_no_version(registry: Registry) -> None:
    assert registry.get_by_alias(CHAMPION) is None


def test_versions_are_listed_newest_first(registry: Registry, register: Registered) -> None:
    register("a")
    register("b")
    assert [(version.number, version.digest) for version in registry.versions()] == [
        (2, "b"),
        (1, "a"),
    ]


def test_same_bundle_is_registered_once(registry: Registry, model: Path) -> None:
    first = registry.register(
        registry.log_run({}, {}, {}, model), model.name, {"compared_with": ""}
    )
    again = registry.register(
        registry.log_run({}, {}, {}, model), model.name, {"compared_with": "7"}
    )
    assert first.number == again.number
    assert [version.tags["compared_with"] for version in registry.versions()] == ["7"]


def test_bundle_that_cannot_be_fetched_is_registered_again(registry: Registry, model: Path) -> None:
    first = registry.register(registry.log_run({}, {}, {}, None), model.name, {})
    again = registry.register(registry.log_run({}, {}, {}, model), model.name, {})
    assert again.number == first.number + 1


def test_alias_moves_to_another_version(registry: Registry, register: Registered) -> None:
    for digest in ("a", "b"):
        registry.set_alias(CHALLENGER, register(digest))
    result = registry.get_by_alias(CHALLENGER)
    assert result
    assert result.digest == "b"


def test_unknown_version_is_refused_with_the_existing_numbers(
    registry: Registry, register: Registered
) -> None:
    register("a")
    with pytest.raises(RegistryError, match=r"no version 9; there are \[1\]"):
        registry.version(9)


def test_downloaded_bundle_equals_the_registered_one(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "bundle" / "model").mkdir(parents=True)
    (tmp_path / "bundle" / "model" / "model.pkl").write_bytes(b"\x00\xff")
    version = registry.register(registry.log_run({}, {}, {}, tmp_path / "bundle"), "a", {})
    assert (
        registry.download(version, tmp_path / "back") / "model" / "model.pkl"
    ).read_bytes() == b"\x00\xff"


def test_download_of_a_run_without_a_bundle_is_refused(
    registry: Registry, register: Registered, tmp_path: Path
) -> None:
    with pytest.raises(RegistryError, match="the bundle of version 1 cannot be fetched"):
        registry.download(register("a"), tmp_path)


def test_model_without_moves_has_no_history(registry: Registry, register: Registered) -> None:
    register("a")
    assert registry.history() == []


def test_registry_that_does_not_respond_is_named(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(RegistryError, match=f"the registry {away} does not respond"):
        Registry(Settings(state_dir=tmp_path, tracking_uri=away))


def test_invalid_environment_is_reported_and_refused(
    registry: Registry, register: Registered
) -> None:
    register("a")
    registry.tag_model("environment", "prod\x1b[2J")
    with pytest.raises(
        RegistryError, match=r"is 'prod\\x1b\[2J'; what works: local, staging, production"
    ):
        registry.environment()


def test_defects_of_a_version_are_listed(registry: Registry, register: Registered) -> None:
    assert register("a").problems == []
    registry.tag(1, "previous", "abc\x1b[2J")
    registry.tag(1, "bundle", "")
    assert registry.version(1).problems == [
        "names no bundle, so no service can load it; `train` registers versions",
        "its tag previous is 'abc\\x1b[2J', which is not a version number",
    ]
