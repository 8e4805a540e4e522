# Everything runs in a virtual environment of its own, made at first use.
VENV ?= .venv
PYTHON ?= python3.11
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help sim test check format wheel clean

help: ## print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sim: $(READY) ## set up and run the main job (about two minutes on two cores)
	$(BIN)/python sims/run.py experiment=main_job

test: $(READY) ## set up and run all tests
	$(BIN)/python -m pytest -n auto

check: $(READY) ## lint, format, types, import contracts, sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/structure

format: $(READY) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(READY) ## build the wheel, install it in a clean environment, run the main job there
	bash tests/wheel.sh $(BIN)/python

clean: ## remove the environment and caches
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache

# torch comes first: with it installed, later packages do not fetch another build of it.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt hatchling editables
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	touch $(READY)
