# storebox: everything a person says to this tree. `make` alone lists it.
PYTHON ?= python3
BIN := .venv/bin
AREA ?=
WORKERS ?= 2
# Bytecode is kept whatever the machine says: hundreds of the tests' processes load our modules.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo setup test test-slow check bench lock clean

help:  ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo:  ## Set up and run the shop with simulated devices, until Ctrl-C
	@$(PYTHON) scripts/setup.py --for demo
	@$(BIN)/storebox demo

setup:  ## Make .venv ready to run and to test
	@$(PYTHON) scripts/setup.py --for test

test: setup check  ## Set up, then all checks and tests but the slow ones
	$(BIN)/pytest -m "not slow and not alone" -n $(WORKERS) --dist loadfile --no-loadscope-reorder
	$(BIN)/pytest -m "alone and not slow"

test-slow: setup  ## The tests that take minutes
	$(BIN)/pytest -m slow

check: setup  ## Style, types and import rules only
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo --cache-dir build/import-linter

bench: setup  ## Measure: all areas, or one with AREA=core; results in build/bench
	$(BIN)/python -m tests.bench $(AREA)

lock: ## Renew both lock files from pyproject.toml (UPGRADE=1: to the newest versions)
	PYTHON=$(PYTHON) scripts/lock.sh $(if $(UPGRADE),--upgrade)

clean:  ## Remove what tools left behind (.venv stays)
	rm -rf build .hypothesis .ruff_cache .mypy_cache .pytest_cache .import_linter_cache *.egg-info
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
