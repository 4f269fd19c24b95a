"""catalog-info.yaml against what Backstage's catalogue takes of a component; where the schemas are
from: schemas/.
"""

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
# Formats that the catalogue asks for beyond its schemas: FieldFormatEntityPolicy of
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
        "description": "Says which parcels come late.",
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
    """What the catalogue would refuse, or, for a reference, what could name no entity of it."""
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


def test_a_good_component_passes() -> None:
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
def test_a_wrong_component_fails(place: list[str], key: str, value: Any) -> None:
    errors = copy.deepcopy(GOOD)
    part = errors
    for step in place:
        part = part[step]
    part[key] = value
    assert problems(errors) != []


@pytest.mark.parametrize("key", ["type", "lifecycle", "owner"])
def test_a_component_without_a_needed_key_fails(key: str) -> None:
    assert (
        problems(
            GOOD | {"spec": {name: value for name, value in GOOD["spec"].items() if name != key}}
        )
        != []
    )


def test_the_baked_component_is_one_of_the_catalogue(baked: BakedProject) -> None:
    """With the owners TODO and with owners named: both are among the combinations."""
    (entity,) = yaml.safe_load_all(baked.read("catalog-info.yaml"))
    assert problems(entity) == []


def test_the_baked_component_is_this_project(baked: BakedProject) -> None:
    (entity,) = yaml.safe_load_all(baked.read("catalog-info.yaml"))
    assert entity["metadata"]["name"] == baked.toml("pyproject.toml")["project"]["name"]
