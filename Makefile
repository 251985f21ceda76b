# make demo    the main job, on a real Airflow, against the simulator
# make test    the whole test suite
# Both build their own environment in .venv; Python 3.11 to 3.14 and make are all they need.
# The same on another Airflow: make test AIRFLOW=3.1, in an environment of its own, .venv-3.1.

SHELL := /bin/sh
# Every Airflow that is tested, as of the day on which its release came out: that is what Airflow's own constraints have.
# Without AIRFLOW=... it is the newest of everything.
AIRFLOWS := 2.11 3.1 3.2 3.3
RELEASE_2.11 := 2.11.2 2026-03-14
RELEASE_3.1 := 3.1.8 2026-03-11
RELEASE_3.2 := 3.2.2 2026-05-29
RELEASE_3.3 := 3.3.2 2026-09-17
ifdef AIRFLOW
# A Python that is named has its own environment too: make test AIRFLOW=3.3 PYTHON=python3.13
VENV := .venv-$(AIRFLOW)$(if $(PYTHON),-$(notdir $(PYTHON)))
CONSTRAINTS := constraints/airflow-$(AIRFLOW).txt
else
VENV := .venv
CONSTRAINTS := constraints/newest.txt
endif
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# uv resolves and installs in seconds; where it cannot be had, pip does the same more slowly.
UV := uv==0.13.9
# Tests wait more than they work, so there are more workers than cores. tests/conftest.py says what goes to which.
PYTEST = $(BIN)/python -m pytest --dist loadgroup --no-loadscope-reorder
WORKERS := 4
QUICK_WORKERS := 3

# Some machines set this; importing Airflow then costs double.
unexport PYTHONDONTWRITEBYTECODE
# An Airflow that is configured on this machine stays out of it.
unexport AIRFLOW_HOME
unexport AIRFLOW_CONFIG
unexport PYTHONPATH

.PHONY: help demo test quick test-versions screenshots env lint format types docs docs-serve dist check-dist bench soak check-install simulator constraints constraints-newest clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^\([a-z-]*\): .*##/  make \1	/p' $(MAKEFILE_LIST) | expand -t 22

env: $(STAMP) ## build .venv with everything the other targets need

$(STAMP): pyproject.toml $(CONSTRAINTS) scripts/find-python
	@echo "[1/2] building $(VENV) (once; a minute or two)"
	@python=$$(PYTHON="$(PYTHON)" AIRFLOW="$(AIRFLOW)" scripts/find-python) || exit 1; \
	    rm -rf $(VENV) && "$$python" -m venv $(VENV)
	@echo "[2/2] installing Airflow and the provider, pinned by $(CONSTRAINTS)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-warn-script-location "$(UV)" 2>/dev/null \
	    && VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --system-certs --constraints $(CONSTRAINTS) --editable ".[dev]" 2>/dev/null \
	    || $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable ".[dev]" \
	    || { echo "error: the packages could not be installed; see pip's message above" >&2; exit 1; }
	@touch $@

demo: env ## run the campaign on a real Airflow (CALLEES=file.csv CANDIDATES=010...,021... for your own)
	@$(BIN)/python scripts/demo.py $(if $(CALLEES),--callees "$(CALLEES)") $(if $(CANDIDATES),--candidates "$(CANDIDATES)")

# Status 5 says that there are none, as on an older Airflow.
test: env ## run all tests, side by side (ARGS="tests/unit -k name"; ARGS="-n 0 ..." one after another)
	$(PYTEST) -n $(WORKERS) $(or $(ARGS),-m "not alone")
	$(if $(ARGS),,$(PYTEST) -n 0 -m alone || [ $$? -eq 5 ])

quick: env ## run the unit and conformance tests, in about a minute
	$(PYTEST) -n $(QUICK_WORKERS) tests/unit tests/conformance $(ARGS)

test-versions: $(AIRFLOWS:%=test-%) ## run all tests on every Airflow, one after another; make test-3.1 runs them on one

$(AIRFLOWS:%=env-%): env-%:
	@$(MAKE) --no-print-directory env AIRFLOW=$*

# Versions share nothing: with make -j 2, two of them run at a time.
$(AIRFLOWS:%=test-%): test-%:
	@$(MAKE) --no-print-directory test AIRFLOW=$*

screenshots: env ## take new pictures of the web UI for docs/images; needs Debian's chromium and fonts-wqy-zenhei
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

check-install: dist ## resolve what was built with every extra: as of each release's day, and with the lowest versions
	$(BIN)/python scripts/check_install.py

bench: env ## measure speed, memory and pace against the alternatives; about 25 minutes (ARGS="--quick")
	$(BIN)/python -m benchmarks $(ARGS)

soak: env ## run campaigns on a distributed Airflow under random faults (MINUTES=30); needs PostgreSQL and Redis
	$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),30) $(ARGS)

simulator: env ## run the local CCC on port 8790
	$(BIN)/python -m airflow_provider_ccc.simulator $(ARGS)

constraints: constraints-newest $(AIRFLOWS:%=constraints-%) ## pin the versions of every environment; names and versions only

constraints-newest: env
	@$(BIN)/python scripts/make_constraints.py newest

$(AIRFLOWS:%=constraints-%): constraints-%: env
	@$(BIN)/python scripts/make_constraints.py $(RELEASE_$*)

clean: ## remove everything that the other targets made
	rm -rf .venv .venv-* .demo dist build site .pytest_cache .mypy_cache .ruff_cache .hypothesis
