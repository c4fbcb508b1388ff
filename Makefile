PYTHON ?= python3
BIN := .venv/bin
WORKFLOWS := $(wildcard .github/workflows/*.yml examples/github-actions/*.yml)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install test lint format types bench demo test-airflow test-dbt lock upgrade clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' Makefile

install: .venv/.installed ## Create .venv with the locked requirements and this checkout

test: lint types ## Run lint, types and all tests, with their coverage
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --cov

lint: install ## Lint code, import layers, workflows, meltano.yml and the Dockerfile
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/lint-imports --no-logo
	$(BIN)/check-jsonschema --builtin-schema vendor.meltano meltano.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --offline --quiet .github $(WORKFLOWS)
	$(BIN)/hadolint Dockerfile

format: install ## Format the code and apply fixes
	$(BIN)/python -m ruff check --fix
	$(BIN)/python -m ruff format

types: install ## Check types
	$(BIN)/python -m mypy

bench: install ## Measure speed, memory and pace, compared with a plain tap and bare scripts (half an hour)
	PYTHONPATH=tests $(BIN)/python -m bench

demo: install ## Load a year of activity from the sandbox into CSV files, twice
	$(BIN)/python demo/run.py

test-airflow: install examples/airflow/.venv/.locked ## Test the Airflow example, in a separate environment
	$(BIN)/python -m pytest examples/airflow/tests

test-dbt: install dbt/.venv/.locked ## Test the dbt package on DuckDB and PostgreSQL, in a separate environment
	$(BIN)/python -m pytest dbt/integration_tests

lock: .venv/.locked ## Update requirements.lock after a change in pyproject.toml
	$(BIN)/python -m uv pip compile --quiet --no-config --universal --python-version 3.10 --group dev \
		--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" $(LOCK_OPTIONS) --output-file requirements.lock pyproject.toml

upgrade: LOCK_OPTIONS := --upgrade
upgrade: lock ## Upgrade all requirements in requirements.lock

# Keeps .meltano, which has the bookmarks of real runs, and output, which has their data.
clean: ## Remove .venv, built packages and caches
	rm -rf .venv examples/airflow/.venv dbt/.venv dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -path ./.meltano -prune -o -name __pycache__ -prune -exec rm -rf {} +

# Recreates the environment, so that requirements removed from the lock are removed from it too.
.venv/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is required: make PYTHON=python3.13")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	@touch $@

.venv/.installed: .venv/.locked pyproject.toml packages/gong-sandbox/pyproject.toml
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable . --editable packages/gong-sandbox
	@touch $@

%/.venv/.locked: %/requirements.lock
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --require-hashes --requirement $<
	@touch $@
