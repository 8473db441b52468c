PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PY := $(VENV)/bin/python
INSTALL = test -x $(PY) || $(PYTHON) -m venv $(VENV); $(PY) -m pip install --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help app test test-cluster lint bench bench-quick parity

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

app: $(VENV)/app ## Start the app in the browser
	$(PY) -m streamlit run streamlit_app.py

# Files in the order of their folders, so that each of the two processes starts the app and Chromium once.
PARALLEL = -n 2 --dist loadfile --no-loadscope-reorder

test: $(VENV)/dev ## Run every test but those of a cluster, two files at a time
	$(PY) -m pytest $(PARALLEL) --ignore tests/cluster

# What keeps runs, once more, on the other database.
KEEPS_RUNS = schema store jobs sweeping transfer bin branches resuming limits size cli

test-cluster: $(VENV)/dev ## Run the tests of the store and the queue on PostgreSQL, and those of a Dask cluster
	$(PY) -m tests.on_postgresql $(PARALLEL) $(KEEPS_RUNS:%=tests/core/test_%.py) tests/cluster

lint: $(VENV)/dev ## Check style and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

bench: $(VENV)/dev ## Measure everything in benchmarks/RESULTS.md (about half an hour)
	$(PY) -m benchmarks.speed
	$(PY) -m benchmarks.ideas
	$(PY) -m benchmarks.best
	$(PY) -m benchmarks.frontier
	$(PY) -m benchmarks.latency
	$(PY) -m benchmarks.report

bench-quick: $(VENV)/app ## The same in two minutes; extrapolates the lecture's loop
	$(PY) -m benchmarks.speed --quick

parity: $(VENV)/app ## Published results against ours: what is not measured yet (AGAIN=1: all of it; DATA=path/to/names.txt)
	$(PY) -m benchmarks.parity $(if $(AGAIN),--again) $(if $(DATA),--data $(DATA))
	$(PY) -m benchmarks.frontier

# Stamp files: install again only when a requirements file has changed.
$(VENV)/app: requirements.txt
	$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/dev: requirements.txt requirements-dev.txt
	$(INSTALL) -r requirements-dev.txt
	@touch $@ $(VENV)/app
