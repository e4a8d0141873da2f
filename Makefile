# Everything runs from a fresh checkout: each target creates .venv and installs what it needs.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
TORCH  ?= 2.13.0

.PHONY: help demo test lint types pytest bench bench-truth bench-latent clean

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

bench-latent: $(VENV)/.installed-dev  ## representations of X-ray spectra side by side (an hour or more; goes on where it stopped)
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/bench_latent.py

clean:  ## remove the virtual environment, the demo and what benchmarks keep
	rm -rf $(VENV) demo bench-latent

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'torch==$(TORCH)'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,latent]'
	touch $@ $(VENV)/.installed
