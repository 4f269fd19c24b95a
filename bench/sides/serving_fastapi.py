"""A FastAPI endpoint around the ONNX file, with nothing else."""

import uvicorn
from fastapi import FastAPI
from serving_plain import Body, scores

app = FastAPI()


@app.post("/predict")
async def predict(body: Body) -> dict[str, list[float]]:
    return {"scores": scores(body.rows)}


if __name__ == "__main__":
    import sys

    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
