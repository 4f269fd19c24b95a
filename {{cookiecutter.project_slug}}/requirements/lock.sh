# The largest set is resolved first and constrains the smaller ones, so that all three agree. No index address is written.
set -eu
cd "$(dirname "$0")/.."
compile() {
  uv pip compile pyproject.toml --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
    --no-emit-index-url --no-header --quiet --no-annotate "$@"
}
compile --extra pipeline --extra dev --upgrade -o requirements/dev.txt
compile --extra pipeline -c requirements/dev.txt -o requirements/pipeline.txt
compile -c requirements/dev.txt -o requirements/serve.txt
