# The verbs of this project; CI runs the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup lint test test-slow demo bench coverage clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: $(STAMP)
	$(BIN)/python -m pytest -q -n 2

test-slow: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 -m 'slow and not gpu and not browser'

demo: $(STAMP)
	$(BIN)/compress demo --output exports --force

bench: $(STAMP)
	$(BIN)/python -m benchmarks.latency --provider cpu --output benchmarks/results

coverage: $(STAMP)
	$(BIN)/python -m benchmarks.coverage

clean:
	rm -rf $(VENV) .compress exports/rejected exports/*-????????
