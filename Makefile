# Everything runs in .venv; the first target that needs it builds it from hashed constraints.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SEEDS  ?= 300

.DEFAULT_GOAL := help
.PHONY: help setup demo test check fix simulate simulate-sentinels spark-check bench bench-full salesforce-check clean

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements/dev.txt pyproject.toml tools/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh tools/setup.sh
	@touch $(READY)

setup: $(READY)  ## Install everything that the product and its tests need

demo: $(READY)  ## The whole story against the embedded org emulator, in under two minutes
	@$(BIN)/rebates demo $(ARGS)

check: $(READY)  ## Format, lint, types, import rule
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(READY) check  ## All checks and tests
	@sh tools/services.sh
	$(BIN)/pytest -n 2 --dist worksteal -q

salesforce-check: $(READY)  ## The Salesforce package: metadata, lint, component tests, the card in a browser
	@PYTHON=$(BIN)/python sh salesforce/check.sh

spark-check: $(READY)  ## One answer on SQLite, PostgreSQL, DuckDB and a Spark cluster of two workers (installs Spark: 0.5 GB)
	@sh tools/spark_check.sh

simulate: $(READY)  ## Any number of simulated days full of faults: make simulate SEEDS=20000
	@$(BIN)/python -m tests.simulation.run --seeds $(SEEDS) $(ARGS)

simulate-sentinels: $(READY)  ## Whether the simulator notices every known mistake within its seed budget
	@$(BIN)/python -m tests.simulation.run --sentinels $(ARGS)

bench: $(READY)  ## Benchmarks, small (under five minutes)
	@$(BIN)/python -m benchmarks

bench-full: $(READY)  ## Benchmarks with ten million order lines, an hour; writes benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks --full --keep

fix: $(READY)  ## Format and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## Remove what the other targets made
	rm -rf $(VENV) .spark .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
