"""The serving API, for the verb `serve` and for any other ASGI server."""

from mlprod import create_api

app = create_api(str(__package__))
# Routes of your own that read go here: @app.get("/v1/limits"). Each needs a key, as every route does.
