# Everything runs in a virtual environment of its own, made at first use.
VENV ?= .venv
PYTHON ?= python3.11
EXECUTIONS ?= 1000000
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help sim test flower exhaustive soak faults fuzz triton check format wheel clean

help: ## print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sim: $(READY) ## set up and run the main job (about two minutes on two cores)
	$(BIN)/python sims/run.py experiment=main_job

test: $(READY) ## set up and run the tests (seven to ten minutes on two cores)
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "not exhaustive and not flower and not soak"

flower: $(READY) ## run the tests that start Flower's processes: simulations on Ray, a deployment on loopback
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m flower

exhaustive: $(READY) ## run Flower's tests and those that try every combination: laws on every set of kernels, a plug-in
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "exhaustive or flower"

soak: $(READY) ## run what takes minutes each: long histories at random, a thousand kills, what grows over 2,000 rounds
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m soak

faults: $(READY) ## make every fault happen under every executor, and write docs/faults.md (about ten minutes)
	$(BIN)/python -m tests.faults.matrix

fuzz: $(READY) ## give EXECUTIONS inputs, by default a million, to everything that reads received bytes
	$(BIN)/python -m tests.fuzz.run --executions $(EXECUTIONS)

triton: $(READY) ## install Triton (a gigabyte) and check its kernels: interpreted, compiled, on a GPU where there is one
	$(BIN)/python -m pip install --quiet triton
	$(BIN)/python -m pytest -q tests/compression/kernels/test_triton.py

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
