# Everything that a person or CI does with Lonja. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
LONJA_HOME ?= .lonja
export LONJA_HOME
# Python's bytecode is kept, whatever the shell says, because each start is then a second shorter; `make clean` deletes it.
unexport PYTHONDONTWRITEBYTECODE

# The first of these that is installed; LONJA_PYTHON=/path/to/python chooses another.
LONJA_PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)

.PHONY: help setup run test test-unit lint bench schemas simulate clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.jars ## build .venv and fetch the jars; repeated only when the locked list changes
	@:

run: setup ## start everything with a demo market; Ctrl-C stops it
	@LONJA_POLICY=$${LONJA_POLICY:-demo} exec $(BIN)/lonja up

test: setup ## run all tests: rules, services on real servers, browser
	@$(BIN)/python -m infra.chromium
	@$(BIN)/pytest -q -p xdist.plugin -n 3 --dist loadscope --durations=25

test-unit: setup ## run the tests that need no server, in seconds
	@$(BIN)/pytest -q --unit -p xdist.plugin -n 2 --dist loadscope

lint: setup ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: setup ## measure speed; prints a table and writes bench.json into LONJA_HOME
	@$(BIN)/python -m tests.benchmarks

schemas: setup ## write the JSON Schemas and the AsyncAPI document of all events
	@$(BIN)/python -m events

simulate: setup ## play 10,000 seeded stories of crashes, lost and doubled messages, on the market's own code
	@$(BIN)/python -m tests.simulation --seeds 10000

clean: ## delete everything that was built or stored here: .venv, the data of every home, caches
	@if test -f "$(LONJA_HOME)/ports.json"; then rm -rf "$(LONJA_HOME)"; fi
	@rm -rf $(VENV) .lonja .lonja-* build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "deleted"

$(VENV)/bin/pip:
	@test -n "$(LONJA_PYTHON)" || { echo "Python 3.11 or newer is missing. Install it, for example: apt-get install python3 python3-venv"; exit 1; }
	@$(LONJA_PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "Python's venv module is missing. Install it: apt-get install python3-venv"; exit 1; }
	@echo "making $(VENV) with $(LONJA_PYTHON)"
	@$(LONJA_PYTHON) -m venv $(VENV)

$(VENV)/.requirements: requirements.lock | $(VENV)/bin/pip
	@echo "installing the locked Python packages (a few minutes the first time)"
	@rm -f $(VENV)/.failed; { $(BIN)/pip install --disable-pip-version-check --progress-bar off --require-hashes \
		-r requirements.lock || touch $(VENV)/.failed; } \
		| awk '/^(Collecting|Requirement)/ { n++; printf "\r  %d packages", n; fflush() } /^Inst/ { printf ", unpacking"; fflush() } END { print "" }'
	@test ! -e $(VENV)/.failed
	@touch $@

$(VENV)/.lonja: pyproject.toml $(VENV)/.requirements
	@echo "installing Lonja itself"
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.jars: infra/embedded/jars.toml infra/embedded/archive.py $(VENV)/.lonja
	@$(BIN)/python -m infra.embedded.setup
	@touch $@
