"""Feature counts equal the scored rows, in the bins of the bundle that scored them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Client, Trained, eventually, point, serve
from prometheus_client import CollectorRegistry
from seams import PARCEL, binary, parcels

from mlprod.bundle.loader import Bundle, open_bundle
from mlprod.contract.encoding import columns_of
from mlprod.serving.feature_metrics import (
    BUFFER_ROWS,
    FeatureCollector,
    LiveFeatureCounts,
    bin_names,
)
from mlprod.serving.zero_init_counter import ZeroPeriod
from mlprod.settings import Settings

LINE = re.compile(
    r'^(ml_f\w+)\{(?:field="([^"]+)")(?:,le="([^"]+)")?,reference="(\w+)"\} (\S+)$', re.MULTILINE
)
FeatureValues = dict[tuple[str, str, str, str], float]


def post_rows(client: Client, *rows: dict[str, Any]) -> None:
    response = client.post("/v1/predict", json={"rows": rows})
    assert response.status_code == 200, response.text


def feature_values(client: Client) -> FeatureValues:
    """Return the values by (metric, field, le, reference)."""
    text = client.operations.get("/metrics").text
    return {
        (name, field, le, reference): float(value)
        for name, field, le, reference, value in LINE.findall(text)
    }


@pytest.fixture
def bundle(trained: Trained) -> Bundle:
    return open_bundle(trained.bundle, binary.terms.fields, binary.baseline)


def some_rows(count: int = 500) -> list[dict[str, Any]]:
    """Return rows of the table as callers send them."""
    rows: list[dict[str, Any]] = (
        parcels(count, seed=3).select(binary.terms.fields.names).to_pylist()
    )
    return rows


def counted(bundle: Bundle, *batches: list[dict[str, Any]]) -> dict[str, tuple[list[int], int]]:
    counts = LiveFeatureCounts(bundle, ZeroPeriod(1e-9))
    counts.bin_counts()
    for rows in batches:
        matrix, scores = bundle.score_rows(rows)
        counts.add(matrix, scores.tolist())
    return {item.name: (values.tolist(), without) for item, values, without in counts.bin_counts()}


def test_the_counts_equal_a_plain_computation(bundle: Bundle) -> None:
    rows = some_rows()
    for name, reference in bundle.reference.fields.items():
        if reference.edges and not isinstance(reference.edges[0], str):
            rows += [
                rows[0]
                | {
                    name: (bool if name == "express" else type(rows[0][name] or 0.0))(
                        reference.edges[0]
                    )
                }
            ]
    result, columns = counted(bundle, rows), columns_of(bundle.fields, rows)
    for name, reference in bundle.reference.fields.items():
        present = [
            value for value in columns[name].tolist() if value is not None and value == value
        ]
        if isinstance(reference.edges[0], str):
            expected = [present.count(word) for word in reference.edges]
            expected.append(len(present) - sum(expected))
        else:
            inside = [sum(value <= edge for value in present) for edge in reference.edges]
            expected = np.diff([0, *inside, len(present)]).tolist()
        assert result[name] == (expected, len(rows) - len(present)), name
    assert result["city"][0][-1] > 0, "tromso is a word that the model does not know"
    assert result["distance"][1] > 0, "some are missing"


def test_rows_like_the_training_rows_show_no_drift(bundle: Bundle) -> None:
    """The bins of the service, the matrix and the reference agree.

    More rows of the same kind have nearly the distribution of the reference.
    """
    result = counted(
        bundle, *(some_rows(3_000)[start : start + 500] for start in range(0, 3_000, 500))
    )
    for name, reference in bundle.reference.fields.items():
        shares, n = np.cumsum(result[name][0]) / sum(result[name][0]), sum(result[name][0])
        by_chance = 1.95 * np.sqrt(1 / n + 1 / (reference.rows * (1 - reference.missing)))
        assert np.abs(shares - reference.cumulative).max() < by_chance, name
        assert abs(result[name][1] / 3_000 - reference.missing) < 0.05, name


def test_more_rows_than_the_buffer_are_all_counted(bundle: Bundle) -> None:
    batch = some_rows(900)
    result = counted(bundle, *[batch] * (2 * BUFFER_ROWS // 900 + 1))
    once = counted(bundle, batch)
    assert result["stops"][0] == [
        count * (2 * BUFFER_ROWS // 900 + 1) for count in once["stops"][0]
    ]


def test_a_service_shows_zeros_first_and_then_the_scored_rows(
    client: Client, bundle: Bundle
) -> None:
    reference = bundle.digest[:12]
    post_rows(client, PARCEL, PARCEL | {"city": "tromso", "distance": None})
    first, second = feature_values(client), feature_values(client)
    assert {value for (name, *_), value in first.items() if name.endswith("_total")} == {0.0}
    assert second["ml_feature_bucket_total", "courier", "0 bike", reference] == 2
    assert second["ml_feature_bucket_total", "city", "1 oslo", reference] == 1
    assert second["ml_feature_bucket_total", "city", "+Inf", reference] == 2
    assert second["ml_feature_unknown_total", "city", "", reference] == 1
    assert second["ml_feature_bucket_total", "distance", "+Inf", reference] == 1
    assert second["ml_feature_missing_total", "distance", "", reference] == 1
    assert second["ml_feature_bucket_total", "(score)", "+Inf", reference] == 2
    for name, shares in (*bundle.reference.fields.items(), ("(score)", bundle.reference.score)):
        named = bin_names(shares)
        assert [second["ml_feature_reference_ratio", name, le, reference] for le in named] == list(
            shares.cumulative
        )
    missing = bundle.reference.fields["distance"].missing
    assert second["ml_feature_reference_missing_ratio", "distance", "", reference] == missing
    assert second["ml_feature_reference_rows", "distance", "", reference] == pytest.approx(
        bundle.reference.fields["distance"].rows * (1 - missing)
    )


def test_smoke_predictions_are_not_counted_as_cases(client: Client) -> None:
    post_rows(client, PARCEL | {"id": "smoke-1"}, PARCEL | {"id": "a"}, PARCEL | {"id": "smoke-2"})
    post_rows(client, PARCEL | {"id": "smoke-3"})
    feature_values(client)
    assert {
        value
        for (_, field, le, _), value in feature_values(client).items()
        if (field, le) == ("stops", "+Inf")
    } == {1.0}
    assert 'decision="call",model_version="1"} 1.0' in client.operations.get("/metrics").text


def test_counts_of_two_models_do_not_mix_and_a_rollback_continues_them(
    trained: Trained, baseline: Path, settings: Settings
) -> None:
    point(settings.models, trained.bundle, 1)
    model, rule = trained.bundle.name[:12], baseline.name[:12]
    with serve(binary, settings) as client:

        def rows(reference: str) -> float:
            return feature_values(client).get(
                ("ml_feature_bucket_total", "stops", "+Inf", reference), -1
            )

        def answers(bundle: Path, version: int) -> None:
            point(settings.models, bundle, version)
            eventually(lambda: client.get("/v1/model").json()["model_version"] == str(version))

        feature_values(client)
        post_rows(client, PARCEL)
        answers(baseline, 2)
        feature_values(client)
        post_rows(client, PARCEL, PARCEL)
        assert (rows(model), rows(rule)) == (1, 2)
        answers(trained.bundle, 3)
        post_rows(client, PARCEL)
        assert (rows(model), rows(rule)) == (2, 2)


def test_only_the_newest_bundles_stay_in_the_metrics(bundle: Bundle) -> None:
    registry = CollectorRegistry()
    fields = FeatureCollector(registry, ZeroPeriod(1e-9))
    for number in range(5):
        object.__setattr__(bundle, "digest", f"{number}" * 64)
        fields.counts_of(bundle)
    shown = {
        sample.labels["reference"] for metric in registry.collect() for sample in metric.samples
    }
    assert shown == {"2" * 12, "3" * 12, "4" * 12}


def test_categories_and_edges_have_unambiguous_names(bundle: Bundle) -> None:
    cities = bundle.reference.fields["city"].model_copy(update={"edges": ("+Inf", "oslo")})
    assert bin_names(cities) == ["0 +Inf", "1 oslo", "+Inf"]


@pytest.mark.parametrize("score", [0.0, 1.0, float(np.float32(0.1))])
def test_a_score_on_an_edge_is_in_the_bin_that_ends_there(bundle: Bundle, score: float) -> None:
    edges = bundle.reference.score.model_copy(
        update={"edges": (0.0, 0.1, 1.0), "shares": (0, 0, 0, 0)}
    )
    object.__setattr__(bundle, "reference", bundle.reference.model_copy(update={"score": edges}))
    counts = LiveFeatureCounts(bundle, ZeroPeriod(1e-9))
    counts.bin_counts()
    counts.add(bundle.encoder([PARCEL]), [score])
    (*_, (_, values, _)) = counts.bin_counts()
    assert values.tolist() == [
        score == bound or score == np.float32(bound) for bound in (0.0, 0.1, 1.0)
    ] + [0]
