# The commands of pth2map: setup, demo, map, test, lint. Each installs what it needs first.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3.11
CORES ?= 2
MODEL ?= retinaface
CONFIG ?=
UV_FLAGS ?= --torch-backend cpu
TORCH := $(shell sed -n 's/^torch==\([^ ]*\).*/\1/p' requirements.in)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help setup demo map test lint lock docs
help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

setup: .venv/.installed  ## install everything into .venv (Python 3.11, CPU torch, hash-checked packages)

# torch goes first and alone: with its CPU build in place nothing else pulls the CUDA packages.
.venv/.installed: requirements.in requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; raise SystemExit(sys.version_info[:2] != (3, 11))' || { echo "error: $(PYTHON) is $$($(PYTHON) -V); Python 3.11 is needed, set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "setting up .venv (about 1.5 GB, a minute or two)"
	@echo "torch comes from $(TORCH_INDEX); out of its reach pip warns, and takes it from the index it has"
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@.venv/bin/pip install -qq --no-deps --retries 2 --extra-index-url $(TORCH_INDEX) torch==$(TORCH)
	@.venv/bin/pip install -qq --no-deps --require-hashes --requirement requirements.lock
	@.venv/bin/pip install -qq --no-deps --no-build-isolation --editable .
	@.venv/bin/python -W ignore -c 'import torch; raise SystemExit(f"error: torch {torch.__version__} is a CUDA build; the CPU build comes from TORCH_INDEX=$(TORCH_INDEX)" if torch.version.cuda else 0)'
	@.venv/bin/pip check
	@touch $@

# Snakemake with one line for each job, and with all that it says when something is wrong.
define MAKE_RESULTS
@python workflow/scripts/check_config.py $(CONFIG)
@snakemake --cores $(CORES) --quiet host reason progress $(if $(CONFIG),--configfile $(CONFIG)) -- $(1) 2>&1 \
    | (trap '' INT; exec sed -u -E -e '/^(\[.*\]|(Using|Assuming|Building|Conda|Select|Execute|Elapsed) .*|Config file .*)?$$/d' -e 's/^Job [0-9]+: /  /')
endef

demo: setup  ## the whole road in some minutes, no data needed: drawn faces, a training, AP, results/demo/report.html
	@echo "rendered faces -> training -> ONNX -> AP; stop it whenever you like and call it again, training goes on where it was"
	$(call MAKE_RESULTS,results/demo/map.txt results/demo/report.html)
	@echo
	@sed '/^Protocol/,$$d' results/demo/map.txt
	@echo "The report:  $(CURDIR)/results/demo/report.html"
	@echo "The same on a vendor's tool-chain, rehearsed without its hardware:"
	@echo "    .venv/bin/snakemake --cores $(CORES) --configfile config/rehearsal.yaml$(if $(CONFIG), $(CONFIG)) -- results/demo/ascend_rehearsal/640-fp16-b1/map.txt"
	@echo "Published weights on WIDER FACE val (fetches 375 MB):"
	@echo "    make map"

map: setup  ## weights to AP: results/$(MODEL)/map.txt (CONFIG=config/mini.yaml adds an overlay, CORES=8, MODEL=name)
	$(call MAKE_RESULTS,results/$(MODEL)/map.txt)
	@cat results/$(MODEL)/map.txt

lint: setup  ## format, lint, types, workflow
	@ruff check --quiet .
	@ruff format --quiet --check .
	@mypy
	@snakefmt --check Snakefile workflow
	@snakemake --quiet --lint

test: lint  ## lint, then every test (PTH2MAP_MIRROR and PTH2MAP_GOLDEN add the ones on real data)
	@pytest

docs: setup  ## write config/schema.json and docs/configuration.md from the types, docs/troubleshooting.md from the cases
	@python workflow/scripts/write_config_reference.py
	@python -m tests.bad_input.page

lock:  ## resolve requirements.in again (needs uv; UV_FLAGS: --upgrade, or where the CPU build of torch is)
	@uv pip compile --quiet --python-version 3.11 --python-platform x86_64-unknown-linux-gnu $(UV_FLAGS) \
	    --no-emit-package torch --no-emit-find-links --no-emit-index-url \
	    --generate-hashes --custom-compile-command "make lock" requirements.in --output-file requirements.lock
