# Everything runs from a fresh checkout: each target creates .venv and installs what it needs.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: help demo test lint types pytest bench bench-truth bench-scale clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:\t/' | expand -t 13

demo: $(VENV)/.installed  ## simulate four galaxies, run them, show the catalog (about 3 minutes)
	$(BIN)/survey demo demo

test: lint types pytest  ## lint, types and tests

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

pytest: $(VENV)/.installed-dev
	$(BIN)/pytest -n 2

bench: $(VENV)/.installed-dev  ## speed and memory, as ratios measured in one run
	$(BIN)/python tests/benchmarks/run.py

bench-truth: $(VENV)/.installed-dev  ## classes of simulated surveys against the truth (about 10 minutes)
	$(BIN)/python tests/benchmarks/bench_truth.py

bench-scale: $(VENV)/.installed-dev  ## large galaxies on workers of limited memory (about an hour, 24 GiB)
	$(BIN)/python tests/benchmarks/bench_scale.py

clean:  ## remove the virtual environment and the demo
	rm -rf $(VENV) demo

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(VENV)/.installed
