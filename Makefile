# Everything a developer types. 'make help' lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?= ../shared/data/gz1
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check gz1 docs results package clean

help:  ## list the targets
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY)  ## simulate a small survey and run everything on it (about 5 minutes)
	$(BIN)/czsl demo demo

test: $(READY)  ## run all tests
	$(BIN)/python -m pytest -n 2

check: $(READY)  ## style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

gz1: $(READY)  ## both recipes on real Galaxy Zoo images; DATA= names the folder
	$(BIN)/python examples/gz1/join.py $(DATA) runs/gz1
	$(BIN)/czsl compare runs/gz1/czsl.toml --out runs/gz1 --resume

results: $(READY)  ## write docs/results.md from runs/gz1 and demo
	$(BIN)/python docs/make_results.py

docs: $(READY)  ## build the documentation, warnings are errors
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html
	@echo docs/_build/html/index.html

package: $(READY)  ## build wheel and sdist and check them
	rm -rf dist
	$(BIN)/python -m build --quiet
	$(BIN)/twine check --strict dist/*

clean:  ## remove what was built, not the environment
	rm -rf dist docs/_build docs/api/generated .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "czsl needs Python 3.11 or newer: install it, then 'make PYTHON=python3.11 ...'"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "venv is missing: install it (Debian: apt install python3-venv)"; exit 1; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $(READY)
