# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
PYTHON ?= python3
PORT ?= 3000
BIN := .venv/bin
# Everything that runs Dagster runs from this folder, with this folder as its instance unless the user has another.
export DAGSTER_HOME ?= $(CURDIR)
# Hundreds of short processes import the same modules: without bytecode, importing Dagster takes four times as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test ci coverage distributed audit ui bench soak lint lock docs docs-site clean

run: .venv/runtime .env ## Fill every dataset and print the grid
	$(BIN)/tt refresh

PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal

test: .venv/dev .env lint ## Lint, type-check and run all tests but those of hours and of whole days
	$(PYTEST) -m "not soak and not thorough and not browser and not distributed"

# The servers of a deployment wait most of the time: their tests go on beside the others, and are told after them.
ci: .venv/deploy .env ## What CI runs after `make test`
	@$(MAKE) distributed > .distributed.log 2>&1 & beside=$$!; \
	  $(MAKE) coverage; covered=$$?; \
	  wait $$beside; distributed=$$?; \
	  cat .distributed.log; \
	  exit $$((covered + distributed))

# A second run of the tests: the measuring makes each of them take half as long again, which `make test` does not wait for.
coverage: .venv/ci .env
	$(PYTEST) -m "not soak and not distributed" --cov --cov-report=term

distributed: .venv/deploy .env ## Postgres, Redis, workers of Celery and an object store, on this machine
	$(BIN)/python -m pytest -m distributed

audit: .venv/runtime ## Hold the pinned packages to the list of known advisories
	$(BIN)/python .ci/audit.py requirements.lock requirements-dev.lock requirements-ci.lock requirements-deploy.lock

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers 2

ui: .venv/runtime .env ## The Dagster web UI and daemon on 127.0.0.1
	$(BIN)/tt ui --port $(PORT)

bench: .venv/dev
	@set -e; for program in benchmarks/bench_*.py; do echo "== $$program"; $(BIN)/python $$program; done

soak: .venv/dev
	$(BIN)/python -m pytest -m soak --timeout 7200

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv

# Bytecode is made of what is imported, when it first is: most of what is installed never is.
.venv/runtime: .venv/bin/python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/runtime requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

# What only some tests of `make ci` need: a browser's driver, the site of the docs, a kernel for the notebook.
.venv/ci: .venv/dev requirements-ci.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements-ci.lock
	@touch $@

# What a deployment on several machines needs: Postgres, Celery, Kubernetes. Only tests use it here.
.venv/deploy: .venv/ci requirements-deploy.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements-deploy.lock
	@touch $@

.env:
	@umask 077; sed "s|/path/to/this/folder|$(CURDIR)|" .env.example > .env

# The tests read the price files of backtesting and skfolio and import neither: what only their code needs stays out.
UNUSED := bokeh clarabel cloudpickle cvxpy-base joblib plotly qdldl scikit-learn sparsediffpy \
  threadpoolctl tornado xyzservices

RESOLVE := uv pip compile --universal --no-strip-extras --generate-hashes --python-version 3.11

docs: .venv/runtime ## Make the pages of columns and of messages, and the graph of assets, again
	$(BIN)/python -m ttapi_pipeline.datasets.columns_page > docs/columns.md
	$(BIN)/python .ci/messages.py > docs/messages.md
	$(BIN)/python .ci/asset_graph.py > docs/asset-graph.svg

docs-site: .venv/ci ## Build the site of the documents in site/; a warning ends it
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

lock: ## Resolve the pins again (needs uv)
	$(RESOLVE) pyproject.toml --group pyproject.toml:build --output-file requirements.lock
	$(RESOLVE) pyproject.toml --group pyproject.toml:build --group pyproject.toml:dev --constraint requirements.lock \
	  $(UNUSED:%=--no-emit-package %) --output-file requirements-dev.lock
	$(RESOLVE) pyproject.toml --group pyproject.toml:build --group pyproject.toml:ci --constraint requirements.lock \
	  --constraint requirements-dev.lock --output-file requirements-ci.lock
	$(RESOLVE) pyproject.toml --group pyproject.toml:build --extra deploy --constraint requirements.lock \
	  --constraint requirements-dev.lock --override .ci/deploy-overrides.txt --output-file requirements-deploy.lock

clean: ## Remove what was set up; data stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .distributed.log
