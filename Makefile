# The whole vocabulary. Each target sets up what it needs from Python 3.11 to 3.13, git and make.
PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python -m
# Compiled once, Python and each of its packages start in half the time.
unexport PYTHONDONTWRITEBYTECODE
# A value of the command line is text: without this make expands it, and runs what is in $(shell ...).
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name)))$(eval export $(name)))

.DEFAULT_GOAL := help
.PHONY: help setup demo check check-library test test-fast test-library prove bench site picture alerts reference generated release-check lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready ## make .venv with the locked tools
.venv/ready: requirements/dev.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; (3, 11) <= v < (3, 14) or sys.exit("Python 3.11 to 3.13 is needed; $(PYTHON) is %d.%d. Example: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" % v[:2])'
	@rm -rf .venv
	@if command -v uv >/dev/null; then \
	  uv venv -q -p "$$(command -v $(PYTHON))" .venv && uv pip install -q -p $(BIN)/python --require-hashes -r $<; \
	else \
	  $(PYTHON) -m venv .venv && $(RUN) pip install -q --disable-pip-version-check --require-hashes -r $<; \
	fi
	@touch $@

demo: setup ## bake with default answers outside the checkout, then its own demo: from data to a served prediction
	@folder="$${DEMO_DIR:-$$(mktemp -d "$${TMPDIR:-/tmp}/ml-prod-template-demo.XXXXXX")}" && mkdir -p "$$folder" && \
	  echo "Baking into $$folder/fraud-scoring" && \
	  $(RUN) cookiecutter --no-input --default-config -o "$$folder" . && \
	  PATH="$(CURDIR)/$(BIN):$$PATH" $(MAKE) -C "$$folder/fraud-scoring" demo PYTHON="$(CURDIR)/$(BIN)/python"

check: setup ## style of the template's own Python
	$(RUN) ruff check .
	$(RUN) ruff format --check .

# The library has an environment of its own: the packages that a project gets, and what spreads tests over the cores.
LIBRARY := mlprod/.venv/bin/python
INSTALL := $(BIN)/uv pip install -q -p $(LIBRARY) --require-hashes
export TEMPLATE_PYTHON := $(CURDIR)/$(BIN)/python
mlprod/.venv/ready: {{cookiecutter.project_slug}}/requirements/dev.txt requirements/dev.txt | setup
	@rm -rf mlprod/.venv
	$(BIN)/uv venv -q -p $(BIN)/python mlprod/.venv && $(INSTALL) -r "$<"
	awk '/^(execnet|pytest-xdist)==/ {on = 1} on {print} !/\\$$/ {on = 0}' requirements/dev.txt | $(INSTALL) --no-deps -r -
	@touch $@

check-library: mlprod/.venv/ready ## style, types of the library, and which of its rooms imports which
	cd mlprod && .venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && PYTHONPATH=src .venv/bin/lint-imports

test-library: mlprod/.venv/ready ## the library's tests, in a project that is baked for them
	cd mlprod && PYTHONPATH=../tests .venv/bin/python -m pytest -p sample -n 3 --dist loadfile $(TESTS)

# Three processes for two cores, since much of it is waiting. Files begin in the order of their names: the last are short.
test: export SAMPLE ?= $(shell git rev-parse HEAD)
test: test-fast check-library test-library ## the fast layer, the library's tests, whole lives of projects: one of each kind, by SAMPLE=text; SAMPLE= runs all
	$(RUN) pytest -m slow -n 3 --dist loadfile --no-loadscope-reorder --durations=60

prove: setup ## long proofs, more than an hour: faults, half an hour of load, 5M rows, alarms, every kind of project [SAMPLE=text]
	$(BIN)/python prove/run.py --sample "$${SAMPLE-}"

test-fast: setup ## the tests that need no environment for the baked project
	$(RUN) pytest -m "not slow" -n auto

bench: setup ## measure beside what it names, and write a table
	$(BIN)/python bench/run.py

alerts: mlprod/.venv/ready ## write rules, page and thresholds from mlprod/src/mlprod/assets/alerts.yaml
	cd mlprod && PYTHONPATH=src .venv/bin/python generate_alerts.py

site: setup ## build the documentation site in var/site, strictly
	$(BIN)/python templates/build_site.py

picture: setup ## draw docs/path.svg
	$(BIN)/python templates/draw_path.py

reference: mlprod/.venv/ready ## write the reference pages of the documentation from the code
	cd mlprod && PYTHONPATH=src .venv/bin/python generate_reference.py

generated: setup alerts ## bake again the files that `make generate` writes in a project, after a change of the generator or the alerts
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python templates/regenerate.py

release-check: setup ## rebuild the wheel of a tag in a clean checkout and compare a file with it: TAG=v0.1.0 WHEEL=mlprod-0.1.0-py3-none-any.whl
	@$(BIN)/python templates/release.py check "$${TAG}" "$${WHEEL}"

lock: setup ## resolve requirements/dev.txt anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --group dev --upgrade --universal --python-version 3.11 \
	  --fork-strategy fewest --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements/dev.txt
