# The targets of the template. They need Python 3.11 to 3.13, git and make, and set up the rest.
PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python -m
# With compiled packages, Python starts in half the time.
unexport PYTHONDONTWRITEBYTECODE
# A value of the command line is text. Without these lines, make expands it and runs $(shell ...).
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name)))$(eval export $(name)))

.DEFAULT_GOAL := help
.PHONY: help setup demo check check-library test test-fast test-library prove bench site picture \
  alerts reference generated release-check lock upgrade

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready ## create .venv with the locked tools
.venv/ready: requirements/dev.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; (3, 11) <= v < (3, 14) or sys.exit("The template needs Python 3.11 to 3.13; $(PYTHON) is %d.%d. Works: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" % v[:2])'
	@rm -rf .venv
	@if command -v uv >/dev/null; then \
	  uv venv -q -p "$$(command -v $(PYTHON))" .venv && uv pip install -q -p $(BIN)/python --require-hashes -r $<; \
	else \
	  $(PYTHON) -m venv .venv && $(RUN) pip install -q --disable-pip-version-check --require-hashes -r $<; \
	fi
	@touch $@

demo: setup ## bake a project outside the checkout and run its demo, from data to a prediction
	@folder="$${DEMO_DIR:-$$(mktemp -d "$${TMPDIR:-/tmp}/ml-prod-template-demo.XXXXXX")}" && mkdir -p "$$folder" && \
	  echo "Baking into $$folder/fraud-scoring" && \
	  $(RUN) cookiecutter --no-input --default-config -o "$$folder" . && \
	  PATH="$(CURDIR)/$(BIN):$$PATH" $(MAKE) -C "$$folder/fraud-scoring" demo PYTHON="$(CURDIR)/$(BIN)/python"

check: setup ## lint the template's own Python
	$(RUN) ruff check .
	$(RUN) ruff format --check .

# The library has its own environment: the packages of a project, its boosters, and pytest-xdist.
LIBRARY := mlprod/.venv/bin/python
INSTALL := $(BIN)/uv pip install -q -p $(LIBRARY) --require-hashes
export TEMPLATE_PYTHON := $(CURDIR)/$(BIN)/python
mlprod/.venv/ready: {{cookiecutter.project_slug}}/requirements/dev.txt requirements/dev.txt requirements/boosters.txt | setup
	@rm -rf mlprod/.venv
	$(BIN)/uv venv -q -p $(BIN)/python mlprod/.venv && $(INSTALL) -r "$<" && $(INSTALL) --no-deps -r requirements/boosters.txt
	awk '/^(execnet|pytest-xdist)==/ {on = 1} on {print} !/\\$$/ {on = 0}' requirements/dev.txt | \
	  $(INSTALL) --no-deps -r -
	@touch $@

check-library: mlprod/.venv/ready ## lint the library, check its types and its import rules
	cd mlprod && .venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && \
	  PYTHONPATH=src .venv/bin/lint-imports

test-library: mlprod/.venv/ready ## run the library's tests in a project that is baked for them
	cd mlprod && PYTHONPATH=../tests .venv/bin/python -m pytest -p sample -n 3 --dist loadfile $(TESTS)

# Three processes for two cores, because the tests often wait.
test: export SAMPLE ?= $(shell git rev-parse HEAD)
test: test-fast check-library test-library ## run the fast tests, the library's tests, life cycles of projects [SAMPLE=text]
	$(RUN) pytest -m slow -n 3 --dist loadfile --no-loadscope-reorder --durations=60

prove: setup ## run the long proofs, more than an hour without a sample [SAMPLE=text]
	$(BIN)/python prove/run.py --sample "$${SAMPLE-}"

test-fast: setup ## run the tests that need no environment of a baked project
	$(RUN) pytest -m "not slow" -n auto

bench: setup ## measure the template against its peers and write a table
	$(BIN)/python bench/run.py

alerts: mlprod/.venv/ready ## write rules, page and thresholds from alerts.yaml of the library
	cd mlprod && PYTHONPATH=src .venv/bin/python generate_alerts.py

site: setup ## build the documentation site in var/site/site, in strict mode
	$(BIN)/python templates/build_site.py

picture: setup ## draw docs/path.svg
	$(BIN)/python templates/draw_path.py

reference: mlprod/.venv/ready ## write the reference pages from the code
	cd mlprod && PYTHONPATH=src .venv/bin/python generate_reference.py

generated: setup alerts ## write the template's copies of the files that `make generate` writes
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python templates/regenerate.py

release-check: setup ## compare a wheel with a rebuild of its tag: TAG=vX.Y.Z WHEEL=file
	@$(BIN)/python templates/release.py check "$${TAG}" "$${WHEEL}"

lock: setup ## resolve requirements/*.txt again
	$(BIN)/uv pip compile pyproject.toml --group dev --upgrade --universal --python-version 3.11 \
	  --fork-strategy fewest --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements/dev.txt
	$(BIN)/uv pip compile mlprod/pyproject.toml --extra catboost --extra lightgbm --extra xgboost --upgrade --universal \
	  --python-version 3.11 --fork-strategy fewest -c "{{cookiecutter.project_slug}}/requirements/dev.txt" \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements/boosters.txt

upgrade: setup ## turn a project of the first version into a thin project on the library [PROJECT=folder]
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python templates/upgrade_project.py "$$PROJECT"
