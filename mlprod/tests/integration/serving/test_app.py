import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from conftest import Client, Trained, point, serve
from seams import PARCEL, binary

from mlprod.bundle.loader import open_bundle
from mlprod.serving.openapi import Predictions, ProblemShape
from mlprod.settings import Settings

BARE = {name: value for name, value in PARCEL.items() if name != "distance"}
ROUTES = ["/v1/predict", "/v1/explain"]


def post_rows(client: Client, route: str, *rows: dict[str, Any]) -> Any:
    response = client.post(route, json={"rows": rows})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture
def unready(settings: Settings) -> Iterator[Client]:
    """A service that has not received a model or a request yet."""
    with serve(binary, settings) as client:
        yield client


def test_rows_are_scored_and_decided(client: Client) -> None:
    result = post_rows(
        client, "/v1/predict", PARCEL, BARE, PARCEL | {"stops": 0, "city": "never heard of"}
    )
    assert (result["model_version"], result["arm"], result["mode"]) == ("1", "champion", "assist")
    assert [item["decision"] for item in result["predictions"]] == ["call", "call", "leave"]
    assert all(0 <= entry["score"] <= 1 for entry in result["predictions"])


def test_ids_are_returned_or_created(client: Client) -> None:
    result = post_rows(
        client, "/v1/predict", PARCEL | {"id": "mine", "unit": "k1"}, PARCEL, PARCEL
    )["predictions"]
    assert result[0]["id"] == "mine"
    assert len({item["id"] for item in result}) == 3


def test_a_thousand_rows_are_answered_in_order(client: Client) -> None:
    rows = [PARCEL | {"id": str(number), "stops": number % 51} for number in range(1_000)]
    result = post_rows(client, "/v1/predict", *rows)["predictions"]
    assert [item["id"] for item in result] == [row["id"] for row in rows]
    assert result[0]["score"] == result[51]["score"]


def test_a_defect_is_counted_and_returned_as_a_problem(
    trained: Trained, settings: Settings
) -> None:
    def fail(score: float, threshold: float) -> str:
        raise ZeroDivisionError

    point(settings.models, trained.bundle, 1)
    with serve(replace(binary, decide=fail), settings) as client:
        received = client.post("/v1/predict", json={"rows": [PARCEL]})
        assert (received.status_code, received.headers["content-type"]) == (
            500,
            "application/problem+json",
        )
        assert (
            'ml_requests_total{route="/v1/predict",status="500"} 1.0'
            in client.operations.get("/metrics").text
        )


def test_an_unknown_route_is_a_problem_too(client: Client) -> None:
    received = client.get("/v2/predict")
    assert (received.status_code, received.json()["status"]) == (404, 404)
    assert client.get("/v1/predict").json()["title"] == "Method Not Allowed"


def test_a_prediction_bypasses_the_routes_and_other_requests_do_not(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, routed = client.assembly.service, list[str]()
    surface = service.routes

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        routed.append(f"{scope['method']} {scope['path']}")
        await surface(scope, receive, send)

    monkeypatch.setattr(service, "routes", noted)
    post_rows(client, "/v1/predict", PARCEL)
    assert routed == []
    assert client.get("/v1/predict").status_code == 405
    post_rows(client, "/v1/explain", PARCEL)
    assert routed == ["GET /v1/predict", "POST /v1/explain"]


def test_an_answer_to_a_prediction_matches_its_documentation(client: Client) -> None:
    route = client.get("/openapi.json").json()["paths"]["/v1/predict"]["post"]
    assert "description" not in route, "what is written for maintainers is not shown to callers"
    assert route["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Predictions"
    }
    client.post("/v1/mode", json={"mode": "automate", "reason": "a test"})
    for mode in ("automate", "assist", "shadow"):
        client.post("/v1/mode", json={"mode": mode, "reason": "a test"})
        # a new id, and an id that was answered in another mode
        for name in ("first", mode, "first"):
            answer = post_rows(client, "/v1/predict", PARCEL | {"id": name})
            documented = Predictions.model_validate(answer, extra="forbid", strict=True)
            assert documented.model_dump(exclude_unset=True) == answer
    problem = client.post("/v1/predict", json={"rows": [PARCEL | {"weight": 31}]}).json()
    assert ProblemShape.model_validate(problem, extra="forbid", strict=True).model_dump() == problem


def test_in_shadow_mode_the_decision_is_null(trained: Trained, settings: Settings) -> None:
    point(settings.models, trained.bundle, 1)
    with serve(binary, settings.model_copy(update={"mode": "shadow"})) as client:
        result = post_rows(client, "/v1/predict", PARCEL)
    assert result["mode"] == "shadow"
    assert result["predictions"][0]["decision"] is None
    assert result["predictions"][0]["score"] > 0


def test_an_explanation_ranks_the_fields_by_their_effect(client: Client) -> None:
    (received,) = post_rows(client, "/v1/explain", PARCEL | {"stops": 50})["explanations"]
    effects = [abs(field["effect"]) for field in received["fields"]]
    assert sorted(field["field"] for field in received["fields"]) == sorted(PARCEL)
    assert effects == sorted(effects, reverse=True)
    assert received["fields"][0]["field"] == "stops"
    assert received["fields"][0]["given"] == 50


def test_an_effect_is_the_score_minus_the_score_of_the_typical_value(client: Client) -> None:
    (received,) = post_rows(client, "/v1/explain", PARCEL)["explanations"]
    (stops,) = [field for field in received["fields"] if field["field"] == "stops"]
    here, without = post_rows(
        client, "/v1/predict", PARCEL, PARCEL | {"stops": round(stops["typical"])}
    )["predictions"]
    assert received["score"] == here["score"]
    assert stops["effect"] == pytest.approx(here["score"] - without["score"])


def test_a_typical_value_has_no_effect_and_a_missing_value_is_shown(client: Client) -> None:
    (received,) = post_rows(client, "/v1/explain", PARCEL)["explanations"]
    typical = {field["field"]: field["typical"] for field in received["fields"]} | {"express": True}
    (again,) = post_rows(client, "/v1/explain", BARE | {"courier": typical["courier"]})[
        "explanations"
    ]
    fields = {field["field"]: field for field in again["fields"]}
    assert fields["courier"]["effect"] == 0
    assert fields["distance"]["given"] is None


def test_the_same_explanation_request_has_the_same_answer(client: Client) -> None:
    rows = [PARCEL, BARE, PARCEL | {"city": "tromso"}]
    assert post_rows(client, "/v1/explain", *rows) == post_rows(client, "/v1/explain", *rows)
    scores = [
        [item["score"] for item in post_rows(client, "/v1/predict", *rows)["predictions"]]
        for _ in range(2)
    ]
    assert scores[0] == scores[1]


def test_the_answer_has_the_score_of_the_bundle(client: Client, trained: Trained) -> None:
    facts = client.get("/v1/model").json()
    manifest = open_bundle(trained.bundle, binary.terms.fields, binary.baseline).manifest
    assert (facts["model_version"], facts["bundle"], facts["kind"]) == (
        "1",
        trained.bundle.name,
        "model",
    )
    assert facts["accountable"] == "Your Name <you@example.org>"
    assert facts["threshold"] == manifest.threshold
    assert facts["metrics"]["value"]["low"] == manifest.metrics["value"].low
    assert facts["refused"] is None


def test_a_service_with_a_model_is_healthy_and_ready(client: Client) -> None:
    assert [client.operations.get(route).status_code for route in ("/healthz", "/readyz")] == [
        200,
        200,
    ]


def test_a_service_without_a_model_is_healthy_but_not_ready(unready: Client) -> None:
    assert [unready.operations.get(route).status_code for route in ("/healthz", "/readyz")] == [
        200,
        503,
    ]


def test_without_a_model_requests_are_refused_with_a_remedy(unready: Client) -> None:
    answers = [
        unready.get("/v1/model"),
        *(unready.post(route, json={"rows": [PARCEL]}) for route in ROUTES),
    ]
    for answer in answers:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert answer.headers["content-type"] == "application/problem+json"
        assert "promote a model, and the service loads it" in answer.json()["detail"]


def test_metrics_count_requests_rows_and_the_model(client: Client) -> None:
    post_rows(client, "/v1/predict", PARCEL, PARCEL)
    client.post("/v1/predict", content=b"")
    assert (
        'ml_predictions_total{arm="champion",decision="call",model_version="1"} 0.0'
        in client.operations.get("/metrics").text
    )
    text = client.operations.get("/metrics").text
    assert 'ml_requests_total{route="/v1/predict",status="200"} 1.0' in text
    assert 'ml_requests_total{route="/v1/predict",status="400"} 1.0' in text
    assert 'ml_predictions_total{arm="champion",decision="call",model_version="1"} 2.0' in text
    assert 'ml_request_duration_seconds_count{route="/v1/predict"} 2.0' in text
    assert 'owner="Your Name <you@example.org>",reference="' in text


def test_unknown_paths_share_one_label(client: Client) -> None:
    for number in range(3):
        assert client.get(f"/v1/secret/{number}").status_code == 404
    client.operations.get("/metrics")
    text = client.operations.get("/metrics").text
    assert "secret" not in text
    assert 'status="404"} 3.0' in text


def test_the_example_of_the_documentation_works(client: Client) -> None:
    assert client.get("/docs").status_code == 200
    route = client.get("/openapi.json").json()["paths"]["/v1/predict"]["post"]
    schema = route["requestBody"]["content"]["application/json"]["schema"]
    row = schema["properties"]["rows"]["items"]
    assert row["properties"]["weight"]["description"] == "Weight"
    assert row["properties"]["city"]["maxLength"] == 1_000
    assert "an id was used for another row" in route["responses"]["409"]["description"]
    assert client.post("/v1/predict", json=schema["example"]).status_code == 200


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"rows",
        b'{"rows": [\xff\xfe]}',
        b"[" * 100_000,
        b'{"rows":' * 20_000,
        b'{"rows": [{"weight": 1.}]}',
    ],
)
def test_a_body_that_is_not_json_is_refused(client: Client, route: str, body: bytes) -> None:
    answer = client.post(route, content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["errors"][0]["rule"].startswith("JSON")


@pytest.mark.parametrize(
    ("change", "rule", "example"),
    [
        ('"weight": "3"', "valid number", 7.5),
        ('"weight": true', "valid number", 7.5),
        ('"weight": 31', "less than or equal to 30", 7.5),
        ('"weight": NaN', "finite number", 7.5),
        ('"weight": Infinity', "finite number", 7.5),
        ('"weight": 1e999', "finite number", 7.5),
        ('"weight": null', "valid number", 7.5),
        ('"stops": 1.5', "valid integer", 12),
        ('"stops": -1', "greater than or equal to 0", 12),
        ('"stops": 1' + "0" * 400, "less than or equal to 50", 12),
        ('"courier": "drone"', "'bike' or 'van'", "bike"),
        ('"courier": null', "'bike' or 'van'", "bike"),
        ('"city": 7', "valid string", "bergen"),
        ('"city": "' + "x" * 1_001 + '"', "at most 1000 characters", "bergen"),
        ('"city": "' + "x" * 900_000 + '"', "at most 1000 characters", "bergen"),
        ('"express": "yes"', "valid boolean", True),
        ('"express": 1', "valid boolean", True),
        ('"distance": [1]', "valid number", 25.0),
    ],
)
def test_a_value_that_breaks_the_contract_is_named_with_a_valid_example(
    client: Client, change: str, rule: str, example: object
) -> None:
    name = change.split('"')[1]
    good, others = (
        json.dumps(PARCEL),
        json.dumps({key: value for key, value in PARCEL.items() if key != name}),
    )
    answer = client.post(
        "/v1/predict", content='{"rows": [' + good + ", " + others[:-1] + ", " + change + "} ]}"
    )
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert (error["row"], error["field"], error["example"]) == (1, name, example)
    assert rule in error["rule"]
    assert bool(error["given"]) is (name not in binary.terms.personal)
    assert (
        client.post("/v1/predict", json={"rows": [PARCEL | {name: error["example"]}]}).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({}, "rows", "Field required"),
        ({"rows": []}, "rows", "at least 1 item"),
        ({"rows": [PARCEL] * 1_001}, "rows", "at most 1000 items"),
        ({"rows": PARCEL}, "rows", "valid array"),
        ({"rows": [PARCEL], "model": "mine"}, "model", "Extra inputs are not permitted"),
        ({"rows": [PARCEL | {"color": "red"}]}, "color", "Extra inputs are not permitted"),
        ({"rows": [BARE | {"id": ""}]}, "id", "at least 1 character"),
        ({"rows": [BARE | {"id": "x" * 129}]}, "id", "at most 128 characters"),
        ({"rows": [BARE | {"id": 7}]}, "id", "valid string"),
        ({"rows": [BARE | {"unit": ""}]}, "unit", "at least 1 character"),
        ({"rows": [BARE | {"unit": "x" * 129}]}, "unit", "at most 128 characters"),
        (
            {"rows": [{key: value for key, value in PARCEL.items() if key != "stops"}]},
            "stops",
            "Field required",
        ),
        ({"rows": [7]}, "rows", "should be an object"),
    ],
)
def test_a_body_of_another_shape_is_refused_by_name(
    client: Client, body: Any, field: str, rule: str
) -> None:
    answer = client.post("/v1/predict", json=body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert rule in error["rule"]
    assert len(answer.content) < 2_000


def test_a_personal_value_is_never_repeated_in_a_problem(client: Client) -> None:
    secret = PARCEL | {"distance": 77.123456}
    for body in (
        {"rows": secret},
        {"rows": [[secret]]},
        {"rows": [PARCEL | {"distance": [77.123456]}]},
        [secret],
    ):
        answer = client.post("/v1/predict", json=body)
        assert answer.status_code == 422
        assert "77.123456" not in answer.text


def test_of_many_errors_the_first_are_listed_and_all_counted(client: Client) -> None:
    answer = client.post("/v1/predict", json={"rows": [PARCEL | {"stops": 99}] * 100}).json()
    assert len(answer["errors"]) == 20
    assert "100 places; no part of it was used" in answer["detail"]


@pytest.mark.parametrize(
    ("method", "route", "status"), [("GET", "/v1/predict", 405), ("POST", "/v1/nothing", 404)]
)
def test_the_refused_model_is_shown(client: Client, method: str, route: str, status: int) -> None:
    assert client.request(method, route).status_code == status
