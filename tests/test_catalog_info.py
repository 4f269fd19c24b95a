"""catalog-info.yaml against the schemas of a component in Backstage's catalog (tests/schemas)."""

import copy
import json
import re
from typing import Any

import pytest
import yaml
from conftest import ROOT, BakedProject
from jsonschema import Draft7Validator
from referencing import Registry, Resource

SCHEMAS = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "tests/schemas").glob("*.json"))
]
REGISTRY: Registry[Any] = Registry().with_resources(
    (schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS
)
COMPONENT = Draft7Validator({"$ref": "ComponentV1alpha1"}, registry=REGISTRY)
# Formats that the catalog requires beyond its schemas: FieldFormatEntityPolicy of
# @backstage/catalog-model.
NAME = re.compile(r"(?=.{1,63}\Z)([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
NAMESPACE = re.compile(r"(?=.{1,63}\Z)[a-z0-9]+(-+[a-z0-9]+)*")
TAG = re.compile(r"(?=.{1,63}\Z)[a-z0-9+#]+(-[a-z0-9+#]+)*")
REFERENCES = ("system", "subcomponentOf", "providesApis", "consumesApis", "dependsOn")
GOOD: dict[str, Any] = {
    "apiVersion": "backstage.io/v1alpha1",
    "kind": "Component",
    "metadata": {
        "name": "parcels",
        "title": "Parcels",
        "description": "Predicts which parcels arrive late.",
        "annotations": {"backstage.io/techdocs-ref": "dir:."},
        "tags": ["machine-learning"],
        "links": [{"url": "https://example.org/runbook", "title": "Runbook", "type": "runbook"}],
    },
    "spec": {
        "type": "service",
        "lifecycle": "experimental",
        "owner": "user:default/you",
        "system": "parcels",
    },
}


def problems(entity: Any) -> list[str]:
    """Return the errors of the catalog, and references that cannot name an entity."""
    if result := [f"{error.json_path}: {error.message}" for error in COMPONENT.iter_errors(entity)]:
        return result
    metadata, spec = entity["metadata"], entity["spec"]
    named = [spec["owner"]]
    for key in REFERENCES:
        named += (
            spec.get(key, [])
            if isinstance(spec.get(key), list)
            else [spec[key]]
            if key in spec
            else []
        )
    checks = [
        *((NAME, name) for name in [metadata["name"], *metadata.get("labels", {}).values()]),
        *((NAMESPACE, metadata[key]) for key in ("namespace",) if key in metadata),
        *((TAG, tag) for tag in metadata.get("tags", [])),
        *(
            (NAME, key.rpartition("/")[2])
            for part in ("labels", "annotations")
            for key in metadata.get(part, {})
        ),
        *((NAME, re.sub(r"^([^:/]+:)?([^:/]+/)?", "", reference)) for reference in named),
        *(
            (re.compile(r"[a-z][a-z0-9+.-]*:\S+"), link["url"])
            for link in metadata.get("links", [])
        ),
    ]
    return [
        f"{value!r} is not {pattern.pattern}"
        for pattern, value in checks
        if not pattern.fullmatch(value)
    ]


def test_valid_component_is_accepted() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ([], "kind", "Service"),
        ([], "apiVersion", "v1"),
        ([], "owner", "you"),
        ([], "relations", [{"type": "ownedBy"}]),
        ([], "status", {"items": [{"type": "t", "level": "fatal", "message": "m"}]}),
        (["metadata"], "name", ""),
        (["metadata"], "name", "Late parcels"),
        (["metadata"], "name", "p" * 64),
        (["metadata"], "namespace", "Post"),
        (["metadata"], "tags", ["Machine Learning"]),
        (["metadata"], "annotations", {"a/b/c d": "x"}),
        (["metadata"], "annotations", {"example.org/stage": 1}),
        (["metadata"], "labels", {"stage": "proof of concept"}),
        (["metadata"], "links", [{"title": "Runbook"}]),
        (["metadata"], "links", [{"url": "runbook.md"}]),
        (["spec"], "type", ""),
        (["spec"], "lifecycle", None),
        (["spec"], "owner", ""),
        (["spec"], "owner", "Your Name <you@example.org>"),
        (["spec"], "dependsOn", ["resource:default/"]),
        (["spec"], "providesApis", "parcels"),
    ],
)
def test_invalid_component_is_rejected(place: list[str], key: str, value: Any) -> None:
    invalid = copy.deepcopy(GOOD)
    part = invalid
    for step in place:
        part = part[step]
    part[key] = value
    assert problems(invalid) != []


@pytest.mark.parametrize("key", ["type", "lifecycle", "owner"])
def test_component_without_a_required_key_is_rejected(key: str) -> None:
    assert (
        problems(
            GOOD | {"spec": {name: value for name, value in GOOD["spec"].items() if name != key}}
        )
        != []
    )


def test_baked_component_is_valid(baked: BakedProject) -> None:
    """The combinations have projects with the owner TODO and with named owners."""
    (entity,) = yaml.safe_load_all(baked.read("catalog-info.yaml"))
    assert problems(entity) == []


def test_baked_component_describes_the_project(baked: BakedProject) -> None:
    (entity,) = yaml.safe_load_all(baked.read("catalog-info.yaml"))
    assert entity["metadata"]["name"] == baked.toml("pyproject.toml")["project"]["name"]
