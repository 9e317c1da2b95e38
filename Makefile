# What a user and a contributor type. `make` alone lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements/core.txt requirements/caches.txt requirements/s3.txt requirements/cli.txt requirements/release.txt requirements/github.txt requirements/deploy.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SHELL := /bin/sh
# Tests with real parts mostly wait, so three processes share the work; what belongs together stays in one (conftest.py).
# What measures seconds comes after them, alone.
REAL := -m "not alone" -n 3 --dist loadfile --no-loadscope-reorder --durations=15

.PHONY: help setup dev demo check coverage gates test test-full clean docs
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z%-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(VENV)/installed ## the command at .venv/bin/goferry, from the hash-locked Python set
dev: $(VENV)/installed-dev ## the same with what the checks and tests need

$(VENV)/installed: $(LOCKS) pyproject.toml scripts/install
	@PYTHON="$(PYTHON)" scripts/install $(VENV) $(LOCKS)
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements/dev.txt
	@$(PIP) install --require-hashes --no-deps -r requirements/dev.txt
	@touch $@

demo: $(VENV)/installed ## the main job end to end on examples/shop, with a report
	@$(BIN)/python examples/demo.py

# Where the environment forbids Python to keep what it compiled, each test process would compile every test again.
check coverage test test-full: export PYTHONDONTWRITEBYTECODE :=

check: $(VENV)/installed-dev ## lint, types, unit and golden tests; under a minute
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q -n auto tests/unit tests/golden

coverage: $(VENV)/installed-dev ## unit and golden tests, with the share of lines and branches that they run, by file
	@$(BIN)/python -m pytest -q -n auto --cov --cov-report=term:skip-covered tests/unit tests/golden

gates: $(VENV)/installed-dev ## place something broken in every folder of a copy, and see each check catch it
	@$(BIN)/python scripts/gates

test: $(VENV)/installed-dev ## everything, the products of cases sampled; installs the real parts as root on Debian
	@tests/parts/install
	@$(BIN)/python -m pytest -q -n auto tests/unit tests/golden
	@$(BIN)/python -m pytest -q $(REAL) tests/act tests/integration
	@$(BIN)/python -m pytest -q -m alone tests/act tests/integration

test-full: $(VENV)/installed-dev ## everything, every product of cases whole, and what of the code unit and golden tests run
	@tests/parts/install
	@GOFERRY_TEST_FULL=1 $(BIN)/python -m pytest -q -n auto --cov --cov-report=term:skip-covered tests/unit tests/golden
	@GOFERRY_TEST_FULL=1 $(BIN)/python -m pytest -q $(REAL) tests/act tests/integration
	@GOFERRY_TEST_FULL=1 $(BIN)/python -m pytest -q -m alone tests/act tests/integration

bench-%: $(VENV)/installed-dev ## run benchmarks/NAME; one JSON object a line at its end
	@$(BIN)/python benchmarks/$*.py

docs: $(VENV)/installed-dev ## write the generated pages again
	@$(BIN)/python docs/generate.py

clean: ## remove everything that was installed, built or started here
	@scripts/clean
