# Two commands do all the set-up: make demo, make test.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The embedded server's database migration takes long on a busy machine; the default is 20 s.
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS ?= 180
export PREFECT_HOME ?= $(CURDIR)/.prefect
export PREFECT_SERVER_ANALYTICS_ENABLED ?= false
export DO_NOT_TRACK ?= 1
export MLFLOW_DISABLE_TELEMETRY ?= true

.PHONY: help install demo test test-full check bench ui clean

help:  ## show what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(VENV)/installed  ## build .venv from constraints.txt

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable .
	@touch $@

demo: install  ## relabel the tumour example for three weekly periods
	$(BIN)/python -m examples.demo

test: install  ## run the tests that need pip only
	$(BIN)/python -m pytest

test-full: install  ## run all tests, also those that need system packages or heavy servers
	$(BIN)/python -m pytest --full

check: install  ## ruff, mypy, import rules, layout
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy src/labelpress flows tasks
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/core/test_layout.py

bench: install  ## run all benchmarks; the peers get an environment of their own
	$(BIN)/python -m benchmarks

ui: install  ## open the Prefect and MLflow pages of the demo
	$(BIN)/python -m examples.pages

clean:  ## remove what the demo wrote
	rm -rf examples/*/data examples/*/gold examples/*/store examples/*/mlflow.db examples/*/mlartifacts
