# Everything runs from a fresh checkout: each target creates .venv and installs what it needs.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
# Installed first and alone, so that no other package chooses its build.
TORCH  ?= 2.13.0

CLUSTER_PACKAGES := openssh-server slurm-wlm munge

# The versions that the tests were run with; `make lock` deletes .venv and writes new ones.
LOCK   := requirements/tested.txt

.PHONY: help demo docs notebooks test lint types pytest soak page-soak test-cluster bench bench-truth study bench-archive \
	bench-scale bench-latent fuzz wheel audit lock clean-venv clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:\t/' | expand -t 13

demo: $(VENV)/.installed  ## simulate four galaxies, run them, show the catalog (about 3 minutes)
	$(BIN)/survey demo demo

docs: $(VENV)/.installed-dev  ## the documentation as a site, in docs/_build/html (needs no network)
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

notebooks: $(VENV)/.installed-dev  ## run the notebooks (three minutes); WRITE=--write keeps their outputs
	$(BIN)/python notebooks/execute.py $(WRITE)

test: lint types notebooks pytest  ## lint, types, notebooks and tests

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

pytest: $(VENV)/.installed-dev
	$(BIN)/pytest -n 2

soak: $(VENV)/.installed-dev  ## 200 killed workers, 50 killed drivers, full disks (as root; half an hour)
	PYTHONPATH=. OMP_NUM_THREADS=1 $(BIN)/python tests/faults/soak.py

test-cluster: $(VENV)/.installed-dev  ## surveys over SSH and in SLURM jobs on this machine (Debian, as root)
	which sshd sbatch slurmctld munged >/dev/null || apt-get install -y --no-install-recommends $(CLUSTER_PACKAGES)
	$(BIN)/pytest -m cluster tests/deploy

page-soak: $(VENV)/.installed-dev  ## the live page open for half an hour: memory of its server (needs Chromium)
	PYTHONPATH=. $(BIN)/python tests/dashboard/soak.py

bench: $(VENV)/.installed-dev  ## speed and memory, as ratios measured in one run
	$(BIN)/python -m tests.benchmarks.speed.run

bench-truth: $(VENV)/.installed-dev  ## clusters, fluxes and classes against the truth, all goals in one table (two hours; continues after an interruption)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.truth.goals

study: $(VENV)/.installed-dev  ## linkage, normalisation, shift, weights and cut against the truth, one table (an hour; continues after an interruption)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.robustness.bench_study $(STUDY)

bench-archive: $(VENV)/.installed-dev  ## thousands of galaxies (about 30 minutes, 6 GB kept in bench)
	$(BIN)/python -m tests.benchmarks.scale.bench_archive

bench-scale: $(VENV)/.installed-dev  ## large galaxies on workers of limited memory (about an hour, 24 GiB)
	$(BIN)/python -m tests.benchmarks.scale.bench_scale

bench-latent: $(VENV)/.installed-dev  ## representations of X-ray spectra side by side (some hours; continues after an interruption)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.latents.bench_latent

fuzz: $(VENV)/.installed-dev  ## 2,000 cubes with damaged headers through the readers, 300 through a run (about 10 minutes)
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/fuzz_headers.py

wheel: $(VENV)/bin/python  ## build the wheel, install it into a bare environment elsewhere, run the demo there
	rm -rf dist && $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w dist .
	elsewhere=$$(mktemp -d) && $(PYTHON) -m venv $$elsewhere/venv \
	&& $$elsewhere/venv/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl \
	&& cd $$elsewhere && venv/bin/survey demo demo && rm -rf $$elsewhere

audit: $(VENV)/bin/python  ## known vulnerabilities of the tested versions (asks a public database)
	$(BIN)/python requirements/audit.py $(VENV)/audit

lock: clean-venv $(VENV)/bin/python  ## delete .venv, install the newest versions, write them to requirements/tested.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'torch==$(TORCH)'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,latent,gpu]'
	mkdir -p requirements
	{ echo '# Versions that the tests were run with (make lock).'; \
	  $(BIN)/python -m pip list --format=freeze --exclude-editable --exclude pip \
	  | sed 's/+.*//' ; } > $(LOCK)
	touch $(VENV)/.installed-dev $(VENV)/.installed

clean-venv:
	rm -rf $(VENV)

clean:  ## delete the virtual environment, the demo and files of benchmarks
	rm -rf $(VENV) demo bench bench-scale bench-latent

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(LOCK) -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'torch==$(TORCH)'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(LOCK) -e '.[dev,latent,gpu]'
	touch $@ $(VENV)/.installed
