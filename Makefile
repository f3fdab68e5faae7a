# Two commands do all the set-up: make demo, make test.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests wait for servers as long as they compute, so more processes than cores serve.
TEST_PROCESSES ?= 3

# The embedded server's database migration takes long on a busy machine; the default is 20 s.
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS ?= 180
export PREFECT_HOME ?= $(CURDIR)/.prefect
export PREFECT_SERVER_ANALYTICS_ENABLED ?= false
export DO_NOT_TRACK ?= 1
export MLFLOW_DISABLE_TELEMETRY ?= true

.PHONY: help install demo test test-full test-fire check bench ui clean

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

# Libraries that start a thread per core would wait for each other by spinning.
test test-full: export OMP_NUM_THREADS ?= 1
test test-full: export OPENBLAS_NUM_THREADS ?= 1
test test-full: export POLARS_MAX_THREADS ?= 1

test: install  ## run the tests that need pip only
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal

test-full: install  ## run all tests, also those that need system packages or heavy servers
	$(BIN)/python -m pytest --full --numprocesses $(TEST_PROCESSES) --dist worksteal

# Trials per victim and double firings per place, and where they are kept: what was interrupted
# goes on where it stopped.
FIRE_N ?= 40
FIRE_RESULTS ?= fire.jsonl
FIRE_DOUBLE ?= 100
FIRE_DOUBLE_RESULTS ?= doubles.jsonl

test-fire: install  ## kill workers, scheduler, flow and server FIRE_N times each; fire runs doubly
	$(BIN)/python -m tests.remote.fire.doubles $(FIRE_DOUBLE_RESULTS) $(FIRE_DOUBLE)
	$(BIN)/python -m tests.remote.fire.trials $(FIRE_RESULTS) $(FIRE_N)

check: install  ## ruff, mypy, import rules, layout
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy src/labelpress flows tasks
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/core/test_layout.py

bench: install  ## run all benchmarks; the peers get an environment of their own
	$(BIN)/python -m benchmarks

ui: install  ## Prefect, MLflow, a worker and all deployments, until Ctrl-C
	$(BIN)/python deployments/local.py

clean:  ## remove what the demo wrote
	rm -rf examples/*/data examples/*/gold examples/*/store examples/*/mlflow.db examples/*/mlartifacts
