# Everything a developer types. 'make help' lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?= ../shared/data/gz1
JOBS   ?= 2
COMPARE = $(BIN)/czsl compare --resume --jobs $(JOBS) --threads $(JOBS)
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check gz1 gz1-ablations ablations gz1-fusion gz1-spirals gz1-mergers votes votes-transfer simulated sweep-votes sweep-experts sweep-fusion sweep-confidence unlabelled bench bench-peers docs results package clean

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: $(READY)  ## simulate a small survey and run everything on it (about 6 minutes)
	$(BIN)/czsl demo demo

test: $(READY)  ## run all tests
	$(BIN)/python -m pytest -n 2

check: $(READY)  ## style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

gz1: $(READY)  ## each tier and both recipes on real galaxies; DATA= names the folder
	$(BIN)/python examples/gz1/join.py $(DATA) runs/gz1-data
	$(COMPARE) runs/gz1-data/czsl.toml --out runs/gz1

ABLATIONS = no_transfer,czsl2023_experts,czsl2023_volunteers_experts,czsl2023_no_autoencoder,czsl2023_no_transfer,probe
gz1-ablations: gz1  ## what the parts of both recipes add on real galaxies
	$(COMPARE) runs/gz1-data/czsl.toml --arms tiers,$(ABLATIONS) --out runs/gz1

gz1-fusion: gz1  ## image and votes together on real galaxies, by every rule
	$(COMPARE) runs/gz1-data/czsl.toml --arms tiers,$(ABLATIONS),fusion --out runs/gz1
	$(COMPARE) runs/gz1-data/debiased.toml --arms default,logistic,logistic_extra,fused,fused_raw \
	  --out runs/gz1-debiased

PARTS = default,one_view,no_lapses,no_calibration,all_transferred,image_in_transfer,$\
	image_in_transfer_always,random_head,one_rate,no_dropout,moving_statistics,$\
	quarter_turns,no_mirroring,no_augmentation,noise,blur,half_width,no_average,majority_labels,$\
	short_pretraining,large_batches,stopping,likelihood
ablations: gz1 $(READY)  ## the default with one part changed at a time (some hours)
	$(BIN)/python examples/simulated/simulate.py $(SIMULATED)
	cat runs/gz1-data/czsl.toml examples/parts.toml > runs/gz1-data/parts.toml
	cat $(SIMULATED)/early_late.toml examples/parts.toml > $(SIMULATED)/parts.toml
	cat $(SIMULATED)/spirals.toml examples/parts.toml > $(SIMULATED)/spirals_parts.toml
	cat $(SIMULATED)/mergers.toml examples/parts.toml > $(SIMULATED)/mergers_parts.toml
	$(COMPARE) runs/gz1-data/parts.toml --arms $(PARTS),mirrored_beside --out runs/gz1-parts
	$(COMPARE) $(SIMULATED)/parts.toml --arms $(PARTS),mirrored_beside \
	  --protocol czsl2023 --folds 3 --out runs/simulated-parts
	$(COMPARE) $(SIMULATED)/spirals_parts.toml --arms $(PARTS),mirrored_apart \
	  --protocol czsl2023 --folds 3 --out runs/spirals-parts
	$(COMPARE) $(SIMULATED)/mergers_parts.toml --arms default,mirrored_beside,all_transferred \
	  --protocol czsl2023 --folds 3 --executions 2 --out runs/mergers-parts
	$(COMPARE) $(SIMULATED)/parts.toml $(SIMULATED)/spirals_parts.toml \
	  --arms default,no_average,moving_statistics --sweep experts=9 \
	  --protocol czsl2023 --folds 3 --out runs/few-experts-parts

gz1-spirals: $(READY)  ## the same galaxies: elliptical, or a spiral of either sense
	$(BIN)/python examples/gz1/join.py $(DATA) runs/gz1-data
	$(COMPARE) runs/gz1-data/spirals.toml \
	  --arms experts,majority,volunteers,default,logistic,fused --out runs/gz1-spirals

gz1-mergers: $(READY)  ## the same for mergers, of which there are few
	$(BIN)/python examples/gz1/join.py $(DATA) runs/gz1-data
	$(COMPARE) runs/gz1-data/mergers.toml \
	  --arms experts,majority,volunteers,default,logistic,fused --out runs/gz1-mergers

EXECUTIONS ?= 3
votes: $(READY)  ## the published protocol on the published votes, without images
	$(COMPARE) $(DATA) --protocol czsl2023 --executions $(EXECUTIONS) --out runs/votes
	$(COMPARE) $(DATA) --protocol czsl2023 --order file --executions $(EXECUTIONS) --out runs/votes-file

votes-transfer: $(READY)  ## the transfer from votes alone, 100 draws of experts (half an hour)
	set -e; for more in "" extra; do \
	  for cell in early_late-100 spirals-100 mergers-100 early_late-1636; do \
	    $(BIN)/python examples/votes/transfer.py $(DATA) $${cell%-*} $${cell#*-} 100 $$more \
	      --json runs/votes-transfer/$$cell$${more:+-$$more}.json; \
	  done; \
	done

SIMULATED = runs/simulated-survey
simulated: $(READY)  ## the published protocol on simulated galaxies, the arms that matter (an hour)
	$(BIN)/python examples/simulated/simulate.py $(SIMULATED)
	$(COMPARE) $(SIMULATED)/spirals.toml $(SIMULATED)/mergers.toml $(SIMULATED)/early_late.toml \
	  --protocol czsl2023 --folds 3 --out runs/simulated

sweep-votes: $(READY)  ## votes alone: fewer experts, fewer votes
	$(COMPARE) $(DATA) --protocol czsl2023 --arms majority,perceptron,logistic,logistic_extra \
	  --sweep experts=20,50,100,300,1000 --sweep votes=3,10 --executions 2 --out runs/sweep-votes

sweep-experts: simulated $(READY)  ## simulated galaxies: fewer than a tenth of the experts
	$(COMPARE) $(SIMULATED)/early_late.toml $(SIMULATED)/spirals.toml \
	  --arms default,fused,logistic,no_transfer,majority \
	  --protocol czsl2023 --folds 3 --sweep experts=9 --out runs/sweep-experts

sweep-fusion: simulated $(READY)  ## simulated galaxies: image and votes where votes are few
	$(COMPARE) $(SIMULATED)/early_late.toml --arms default,fused,logistic \
	  --protocol czsl2023 --folds 3 --sweep votes=1,5 --out runs/sweep-fusion

sweep-confidence: $(READY)  ## simulated galaxies: surer volunteers' labels
	$(BIN)/python examples/simulated/simulate.py $(SIMULATED)
	$(COMPARE) $(SIMULATED)/spirals.toml --arms volunteers,czsl2023_no_autoencoder,default \
	  --protocol czsl2023 --folds 3 --sweep confidence=.5,.8 --out runs/sweep-confidence

UNLABELLED = $(BIN)/python examples/unlabelled/unlabelled.py --jobs $(JOBS) --threads $(JOBS)
unlabelled: $(READY)  ## what images without a label are worth to the default (hours)
	$(BIN)/python examples/gz1/join.py $(DATA) runs/gz1-data
	$(BIN)/python examples/simulated/simulate.py $(SIMULATED)
	$(UNLABELLED) $(SIMULATED)/early_late.toml --protocol czsl2023 --folds 3 \
	  --sweep unlabelled=600 --out runs/unlabelled
	$(UNLABELLED) runs/gz1-data/few_votes.toml \
	  --arms autoencoder,pseudo_labels,once_more,byol,votes_twice --out runs/unlabelled-gz1

PEERS   := .venv-peers
FIGURES  = $(filter-out %_parts.py,$(shell grep -l '^if __name__' benchmarks/*.py))
bench: $(READY)  ## measure every figure of speed, one after another, into runs/bench
	set -e; for script in $(FIGURES); do $(BIN)/python $$script; done

bench-peers: $(READY) $(PEERS)/.ready  ## the environment of the peers; check them, measure training
	$(BIN)/python benchmarks/peers/check.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/fit.py

$(PEERS)/.ready: benchmarks/peers/requirements.txt
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --requirement benchmarks/peers/requirements.txt
	@touch $@

results: $(READY)  ## renew the figures in docs that runs and demo hold, keep the others
	$(BIN)/python docs/make_results.py
	$(BIN)/python docs/make_ablations.py
	$(BIN)/python docs/make_goals.py
	$(BIN)/python docs/make_performance.py

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
