# make demo    the main job, on a real Airflow, against the simulator
# make test    the whole test suite
# Both build their own environment in .venv; Python 3.11 to 3.14 and make are all they need.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := constraints/airflow-3.3.txt
STAMP := $(VENV)/.installed
# uv resolves and installs in seconds; where it cannot be had, pip does the same more slowly.
UV := uv==0.13.9

# Some machines set this; importing Airflow then costs double.
unexport PYTHONDONTWRITEBYTECODE
# An Airflow that is configured on this machine stays out of it.
unexport AIRFLOW_HOME
unexport AIRFLOW_CONFIG
unexport PYTHONPATH

.PHONY: help demo test screenshots env lint format types docs docs-serve dist check-dist bench simulator constraints clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^\([a-z-]*\): .*##/  make \1	/p' $(MAKEFILE_LIST) | expand -t 22

env: $(STAMP) ## build .venv with everything the other targets need

$(STAMP): pyproject.toml $(CONSTRAINTS) scripts/find-python
	@echo "[1/2] building $(VENV) (once; a minute or two)"
	@python=$$(PYTHON="$(PYTHON)" scripts/find-python) || exit 1; \
	    rm -rf $(VENV) && "$$python" -m venv $(VENV)
	@echo "[2/2] installing Airflow and the provider, pinned by $(CONSTRAINTS)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-warn-script-location "$(UV)" 2>/dev/null \
	    && VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --constraints $(CONSTRAINTS) --editable ".[dev]" 2>/dev/null \
	    || $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable ".[dev]" \
	    || { echo "error: the packages could not be installed; see pip's message above" >&2; exit 1; }
	@touch $@

demo: env ## run the campaign on a real Airflow (CALLEES=file.csv CANDIDATES=010...,021... for your own)
	@$(BIN)/python scripts/demo.py $(if $(CALLEES),--callees "$(CALLEES)") $(if $(CANDIDATES),--candidates "$(CANDIDATES)")

test: env ## run all tests
	$(BIN)/python -m pytest $(ARGS)

screenshots: env ## take the pictures of the web UI in docs/images anew; needs Debian's chromium and fonts-wqy-zenhei
	CCC_REQUIRE_ALL=1 CCC_SCREENSHOTS=1 $(BIN)/python -m pytest tests/system/ui

lint: env ## ruff, rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: env ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: env ## mypy --strict on the package
	$(BIN)/mypy

docs: env ## build the documentation site into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs-serve: env ## show the documentation site on port 8000 while it is written
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

dist: env ## build wheel and sdist into dist/
	rm -rf dist && $(BIN)/python -m build --no-isolation --outdir dist .

check-dist: dist ## install what was built into an empty environment, where Airflow must list the provider
	$(BIN)/python scripts/check_dist.py --constraints $(CONSTRAINTS)

bench: env ## measure speed, memory and pace against the alternatives; about 20 minutes (ARGS="--quick")
	$(BIN)/python -m benchmarks $(ARGS)

simulator: env ## run the local CCC on port 8790
	$(BIN)/python -m airflow_provider_ccc.simulator $(ARGS)

constraints: env ## pin the newest versions that fit, names and versions only
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --extra dev --no-header \
	    --no-annotate --no-emit-package airflow-provider-ccc --output-file $(CONSTRAINTS) pyproject.toml

clean: ## remove everything that the other targets made
	rm -rf $(VENV) .demo dist build site .pytest_cache .mypy_cache .ruff_cache .hypothesis
