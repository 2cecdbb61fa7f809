# Two commands: `make demo` and `make test`. Both set up what they need and are safe to run twice.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip
OTHERS := .venv-reference
SOAKS  := tests/http/test_erasure.py tests/e2e/test_killed.py

.DEFAULT_GOAL := help
.PHONY: help demo test lint typed layers unit programs soak bench reference lock clean

help:
	@echo "make demo    install, fetch MovieLens-100K, paint portraits and recommend, saying why"
	@echo "make test    install, lint and run every test"
	@echo "make unit    only the unit tests"
	@echo "make soak    the long runs: erasures under traffic, commands killed at any moment"
	@echo "make bench   timings, as ratios against something real in the same run"
	@echo "make reference [DATA=FOLDER]   published numbers side by side with ours"
	@echo "make lock    renew constraints.txt, the versions that everything is installed with"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Limner needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "No virtual environment could be made; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@# Older resolvers give up on this set of packages.
	@$(PIP) install --quiet --disable-pip-version-check --upgrade 'pip>=25'

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Limner and its embedded models' runtime (a minute or two) ..."
	@$(PIP) install --quiet --disable-pip-version-check -c constraints.txt -e '.[local]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Limner with its test tools (a minute or two) ..."
	@$(PIP) install --quiet --disable-pip-version-check -c constraints.txt \
		-e '.[local,evals,postgres,dev]'
	@touch $@ $(VENV)/.installed

# The libraries that metrics are checked against, in an environment of their own, since they want older numpy and pandas.
$(OTHERS)/.installed: tests/reference/requirements.txt tests/reference/without-dependencies.txt | $(BIN)/python
	@echo "Installing the reference libraries (a minute) ..."
	@$(PYTHON) -m venv --clear $(OTHERS)
	@$(OTHERS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25'
	@$(OTHERS)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/reference/requirements.txt
	@$(OTHERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		-r tests/reference/without-dependencies.txt
	@touch $@

demo: $(VENV)/.installed
	@$(BIN)/limner --data demo-data demo

# Types and layers are checked on an installed copy: in the checkout the packages lie under other names. Tests, which
# mypy checks too, import that copy.
typed: $(VENV)/.installed-dev
	@rm -rf build/typed build/lib
	@$(PIP) install --quiet --disable-pip-version-check --no-deps --no-build-isolation --target build/typed .

lint: layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=build/typed $(BIN)/mypy

layers: typed
	PYTHONPATH=build/typed $(BIN)/lint-imports

unit: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/unit

# Pages are tested in Chromium, the API is measured with wrk, and stores are tested on PostgreSQL too; where they are
# missing and may not be installed, those tests are skipped and say so.
programs:
	@{ command -v chromium && command -v wrk && { command -v initdb || ls /usr/lib/postgresql/*/bin/initdb; }; } \
		>/dev/null 2>&1 || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		{ apt-get update -qq; DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends chromium wrk postgresql; } >/dev/null 2>&1; } || true

# Two processes, each with whole files of tests: what waits for servers and models leaves half of a core idle.
test: lint programs $(OTHERS)/.installed
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations=10

# What runs for minutes: erasures under traffic, and commands that are killed at any moment.
soak: $(VENV)/.installed-dev
	LIMNER_SOAK=1 $(BIN)/python -m pytest -o log_cli=true --log-cli-level=INFO $(SOAKS)

bench: programs $(VENV)/.installed-dev $(OTHERS)/.installed
	$(BIN)/python -m limner.evals.bench

reference: $(VENV)/.installed-dev
	$(BIN)/python -m limner.evals.reference $(DATA)

# For all extras, platforms and Pythons that are supported; without the address of an index, so that any mirror serves.
lock: $(VENV)/.installed-dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header \
		--all-extras --upgrade --output-file constraints.txt pyproject.toml

clean:
	rm -rf $(VENV) $(OTHERS) build dist *.egg-info demo-data
