"""A BentoML service around the ONNX file, started with `bentoml serve`."""

import bentoml
from serving_plain import Row, scores


@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Scores:
    @bentoml.api
    async def predict(self, rows: list[Row]) -> dict[str, list[float]]:
        return {"scores": scores(rows)}
