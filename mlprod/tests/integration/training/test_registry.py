import socket
from pathlib import Path

import pytest
from conftest import Registered

from mlprod.settings import Settings
from mlprod.training.registry import CHALLENGER, CHAMPION, Registry, RegistryError


def test_an_alias_that_nobody_set_names_nothing(registry: Registry) -> None:
    assert registry.get_by_alias(CHAMPION) is None


def test_versions_come_newest_first(registry: Registry, register: Registered) -> None:
    register("a")
    register("b")
    assert [(version.number, version.digest) for version in registry.versions()] == [
        (2, "b"),
        (1, "a"),
    ]


def test_the_same_bundle_is_registered_once(registry: Registry, model: Path) -> None:
    first = registry.register(
        registry.log_run({}, {}, {}, model), model.name, {"compared_with": ""}
    )
    again = registry.register(
        registry.log_run({}, {}, {}, model), model.name, {"compared_with": "7"}
    )
    assert first.number == again.number
    assert [version.tags["compared_with"] for version in registry.versions()] == ["7"]


def test_a_bundle_that_can_no_longer_be_fetched_is_registered_anew(
    registry: Registry, model: Path
) -> None:
    first = registry.register(registry.log_run({}, {}, {}, None), model.name, {})
    again = registry.register(registry.log_run({}, {}, {}, model), model.name, {})
    assert again.number == first.number + 1


def test_an_alias_moves(registry: Registry, register: Registered) -> None:
    for digest in ("a", "b"):
        registry.point(CHALLENGER, register(digest))
    result = registry.get_by_alias(CHALLENGER)
    assert result
    assert result.digest == "b"


def test_an_unknown_version_is_answered_with_the_known_ones(
    registry: Registry, register: Registered
) -> None:
    register("a")
    with pytest.raises(RegistryError, match=r"no version 9; there are \[1\]"):
        registry.version(9)


def test_a_bundle_comes_back_as_it_went(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "bundle" / "model").mkdir(parents=True)
    (tmp_path / "bundle" / "model" / "model.pkl").write_bytes(b"\x00\xff")
    version = registry.register(registry.log_run({}, {}, {}, tmp_path / "bundle"), "a", {})
    assert (
        registry.download(version, tmp_path / "back") / "model" / "model.pkl"
    ).read_bytes() == b"\x00\xff"


def test_a_run_without_a_bundle_has_none_to_fetch(
    registry: Registry, register: Registered, tmp_path: Path
) -> None:
    with pytest.raises(RegistryError, match="the bundle of version 1 cannot be fetched"):
        registry.download(register("a"), tmp_path)


def test_a_model_that_nobody_moved_has_no_history(registry: Registry, register: Registered) -> None:
    register("a")
    assert registry.history() == []


def test_a_registry_that_is_away_is_named(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(RegistryError, match=f"the registry {away} does not answer"):
        Registry(Settings(state_dir=tmp_path, tracking_uri=away))


def test_an_environment_that_is_none_is_named_and_counts_as_no_permission(
    registry: Registry, register: Registered
) -> None:
    register("a")
    registry.tag_model("environment", "prod\x1b[2J")
    with pytest.raises(
        RegistryError, match=r"is 'prod\\x1b\[2J'; works: local, staging, production"
    ):
        registry.environment()


def test_what_is_wrong_with_a_version_is_listed(registry: Registry, register: Registered) -> None:
    assert register("a").problems == []
    registry.tag(1, "previous", "abc\x1b[2J")
    registry.tag(1, "bundle", "")
    assert registry.version(1).problems == [
        "names no bundle, so nothing can answer with it: train registers versions",
        "its tag previous is 'abc\\x1b[2J', no number of a version",
    ]
