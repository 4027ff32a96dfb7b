# Every command is one or two lines that call a tool of the locked environment in .venv; CI calls the same ones.
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check lint fmt types contracts generate current unit fault pythons frameworks bench soak web dist lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## the locked environment in .venv, the page built

.venv/.uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "FlightDeck needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 " + "setup")'
	@$(PYTHON) -m venv .venv || { echo "python3 can't make virtual environments here. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing the locked environment into .venv (once; about 1.7 GB on disk) ..."
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements/uv.txt
	@touch $@

.venv/.ready: .venv/.uv requirements/dev.txt pyproject.toml hatch_build.py $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/uv.txt
	@echo "Building the page and installing FlightDeck ..."
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## the main job on real input: three releases of an agent, two verdicts
	@$(BIN)/flightdeck demo

serve: setup ## a server in the current folder
	@$(BIN)/flightdeck serve

test: setup check ## everything CI checks
	@# The browser's driver keeps an event loop running in its process: it gets one of its own.
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PYTEST) -m browser tests
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PYTEST) -m 'not browser' -n 2 --dist loadgroup tests

check: lint types contracts current ## all but the tests

lint: setup ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

fmt: setup ## ruff: mend what can be mended
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

types: setup ## mypy --strict
	@$(BIN)/mypy

contracts: setup ## import contracts of the rings
	@$(BIN)/lint-imports --no-logo

generate: setup ## schemas, protobuf modules and the page's types from their sources
	@$(BIN)/python schemas/generate.py
	@$(BIN)/python proto/generate.py
	@$(BIN)/python web/generate.py

current: setup ## fails if a generated file is stale
	@$(BIN)/python schemas/generate.py --check
	@$(BIN)/python proto/generate.py --check
	@$(BIN)/python web/generate.py --check

unit: setup ## the fast tests only
	@$(PYTEST) tests/unit tests/property

fault: setup ## kill, cut, fill, slow
	@$(PYTEST) tests/fault

pythons: setup ## the light install and its tests on Python 3.11 to 3.14, as far as they can be had
	@$(BIN)/python -m tests.pythons

frameworks: setup ## agent frameworks against a scripted model, each in an environment of its own (half an hour)
	@$(BIN)/python -m tests.frameworks

bench: setup ## all benchmarks, with peers in the same run (minutes)
	@$(BIN)/python -m benchmarks

soak: setup ## a steady load for MINUTES=10, watching memory and the lag of assembly
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),10)

web: setup ## the page's own tests
	@cd web && PATH="$(CURDIR)/$(BIN):$$PATH" npm test

dist: setup ## wheel and sdist in dist/
	@$(BIN)/python -m build --no-isolation

lock: .venv/.uv ## resolve the lock files anew
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 pyproject.toml --extra dev --group dev -o requirements/dev.txt
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 pyproject.toml --constraints requirements/dev.txt --extra server --extra postgres -o requirements/server.txt
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --constraints requirements/dev.txt --group build -o requirements/build.txt

clean: ## forget the environment and all caches
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist flightdeck/server/web web/node_modules
