# The largest set is resolved first and constrains the smaller ones, so that all three agree. No index address is written.
set -eu
cd "$(dirname "$0")/.."
compile() {
  uv pip compile pyproject.toml -c requirements/mlprod.txt --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
    --no-emit-index-url --no-emit-package mlprod --no-header --quiet --no-annotate "$@"
}
compile --extra pipeline --extra dev --upgrade -o requirements/dev.txt
compile --extra pipeline -c requirements/dev.txt -o requirements/pipeline.txt
compile -c requirements/dev.txt -o requirements/serve.txt
# MLflow's server is an image of its own: it needs older packages than the rest, and the version that the rest speaks to.
version=$(sed -n 's/^mlflow-skinny==\([^ ]*\).*/\1/p' requirements/pipeline.txt)
printf 'boto3\nmlflow==%s\npsycopg[binary]\n' "$version" |
  uv pip compile - --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
    --no-emit-index-url --no-header --quiet --no-annotate --upgrade -o requirements/registry.txt
