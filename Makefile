# The verbs of this project; CI runs the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup lint test test-slow test-browser demo bench bench-page paper coverage docs clean

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
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

test-slow: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m 'slow and not gpu and not browser'

# Where no Chromium is installed, every test says so and is skipped.
test-browser: $(STAMP)
	$(BIN)/python -m pytest -q -rs -m browser

demo: $(STAMP)
	$(BIN)/compress demo --output exports --force

# Hours on two cores where nothing is measured yet; may be interrupted and goes on. The page alone: make bench-page.
bench: $(STAMP)
	$(BIN)/python -m benchmarks.battery
	$(BIN)/python -m benchmarks.latency --provider cpu --output benchmarks/results
	$(BIN)/python -m benchmarks.throughput --device cpu --output benchmarks/results
	$(BIN)/python -m benchmarks.finetune
	$(BIN)/python -m benchmarks.peers.run
	$(BIN)/python -m benchmarks.search --output benchmarks/results
	$(BIN)/python -m benchmarks.startup --output benchmarks/results
	$(BIN)/python -m benchmarks.page

bench-page: $(STAMP)
	$(BIN)/python -m benchmarks.page

# The small form, for trying out and for CI. What docs/paper.md is made of: make paper FORM=cpu BUDGET=60.
FORM ?= small
BUDGET ?= 4
paper: $(STAMP)
	$(BIN)/python -m benchmarks.paper --form $(FORM) --budget $(BUDGET) --processes 2

coverage: $(STAMP)
	$(BIN)/python -m benchmarks.coverage

docs: $(STAMP)
	$(BIN)/python -m cli.reference docs/reference.md

clean:
	rm -rf $(VENV) .compress exports/rejected exports/*-????????
