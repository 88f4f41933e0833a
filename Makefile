# Foretide. `make up` runs the whole system, `make test` runs every test; both set up .venv by themselves.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help up test lint lock bench setup setup-all browser postgres prometheus alertmanager cluster clean

PYTHON ?= python3
UV_VERSION := 0.13.8
BIN := .venv/bin
UV := $(BIN)/uv
FORETIDE_PORT ?= 8080
FORETIDE_DATA_DIR ?= ./var
export FORETIDE_PORT FORETIDE_DATA_DIR
PACKAGES := alerts app collector controller cost dashboard domain examples forecaster kube rules store

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: .venv/core.stamp  ## Run Foretide with its demo at http://127.0.0.1:8080 (Ctrl-C ends it)
	@exec $(BIN)/foretide up --demo --end-with-parent

test: .venv/all.stamp browser postgres prometheus alertmanager cluster  ## Run every check: lint, types, layers, units, end-to-end, browser
	@$(MAKE) --no-print-directory lint
# What only computes runs two at a time; a browser or a whole program one after the other; last what shares one Kubernetes.
	$(BIN)/python -m pytest -n 2 --dist worksteal -q -m "not program and not cluster"
	$(BIN)/python -m pytest -q -m "program and not cluster"
	$(BIN)/python -m pytest -q -m cluster

lint: .venv/all.stamp  ## Ruff, mypy strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: .venv/all.stamp  ## Run the benchmarks (python -m benchmarks.startup -o json)
	$(BIN)/python -m benchmarks.startup

lock: $(UV)  ## Renew both lock files from pyproject.toml
	$(UV) pip compile -q --universal --generate-hashes --no-header --upgrade --all-extras pyproject.toml -o requirements-all.lock
	$(UV) pip compile -q --universal --generate-hashes --no-header --upgrade -c requirements-all.lock pyproject.toml -o requirements.lock

setup: .venv/core.stamp  ## Only install what `make up` needs
setup-all: .venv/all.stamp  ## Only install what `make test` needs

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: Foretide needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Set PYTHON=..." >&2; exit 2; }
	@echo "make: creating .venv with uv $(UV_VERSION)"
	@$(PYTHON) -m venv .venv || { echo "make: $(PYTHON) cannot create a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# The locks pin every distribution with its hash. --compile-bytecode: start-up must not depend on who may write .pyc files later.
.venv/core.stamp: requirements.lock pyproject.toml | $(UV)
	@echo "make: installing the locked dependencies into .venv"
	@$(UV) pip install --quiet --require-hashes --compile-bytecode -r requirements.lock
	@$(UV) pip install --quiet --no-deps -e .
	@$(BIN)/python -m compileall -q $(PACKAGES)
	@touch $@

.venv/all.stamp: requirements-all.lock .venv/core.stamp | $(UV)
	@echo "make: installing the locked test dependencies into .venv"
	@$(UV) pip install --quiet --require-hashes --compile-bytecode -r requirements-all.lock
	@touch $@

browser: .venv/all.stamp
	@$(BIN)/python -m tests.provide chromium

postgres: .venv/all.stamp
	@$(BIN)/python -m tests.provide postgresql

prometheus: .venv/all.stamp
	@$(BIN)/python -m tests.provide prometheus

alertmanager: .venv/all.stamp
	@$(BIN)/python -m tests.provide prometheus-alertmanager

cluster: .venv/all.stamp
	@$(BIN)/python -m tests.cluster.build

clean:  ## Remove .venv (var/, your data, stays)
	rm -rf .venv
