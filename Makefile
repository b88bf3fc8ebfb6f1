# Lockstep: what a newcomer types. `make help` says what there is. Nothing here is needed to run a real fleet.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python
export LOCKSTEP_CACHE ?= $(HOME)/.cache/lockstep
# What tools would keep in the user's home goes to the ignored folder and the cache.
export ANSIBLE_HOME := $(CURDIR)/.lockstep/ansible
export PIP_CACHE_DIR := $(LOCKSTEP_CACHE)/pip
# Ansible works in a locale of UTF-8 only, and messages are compared in English.
export LC_ALL := C.UTF-8
# The fleet of `make up`: its Pulumi stack where there is one, else the saved hosts.
INVENTORY = $(if $(wildcard .lockstep/local/inventory.json),inventory/stack,inventory/local)
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: ## What the project needs on this machine: Debian packages where missing, .venv with pinned packages
	@local/setup.sh

.PHONY: artefacts
artefacts: setup # images of the hosts, the offline channel and its installer
	@$(PYTHON) -m local.up --only artefacts

.PHONY: up
up: setup ## From nothing to a converged and audited local fleet (dev, test, prod); again: nothing changes
	@$(PYTHON) -m local.up

.PHONY: hosts
hosts: setup ## The local fleet's bare hosts and channel only
	@$(PYTHON) -m local.up --only hosts

.PHONY: converge
converge: setup ## site.yml on the local fleet
	@ansible-playbook -i $(INVENTORY) site.yml

.PHONY: audit
audit: setup ## Audit of the local fleet: exit 0 only on proven parity
	@ansible-playbook -i $(INVENTORY) playbooks/audit.yml

.PHONY: down
down: ## Remove every container, network and key of the fleets made from this checkout
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local.fakes.ec2 down && $(PYTHON) -m local.fleet down --all; else echo "no .venv, so nothing was made from here"; fi

.PHONY: env
env: ## Settings for running tools by hand, to be eval-ed
	@printf 'export %s=%s\n' PATH '$(CURDIR)/.venv/bin:'"$$(printf %s '$$PATH')" \
	  ANSIBLE_HOME '$(ANSIBLE_HOME)' LOCKSTEP_CACHE '$(LOCKSTEP_CACHE)' PIP_CACHE_DIR '$(PIP_CACHE_DIR)'
	@if [ -e .lockstep/local/inventory.json ]; then $(PYTHON) -m local.fakes.ec2 env; fi

.PHONY: docs
docs: setup ## The documentation as a site in .lockstep/site; writes the generated reference pages first
	@$(PYTHON) docs/generate.py
	@NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --quiet
	@echo "docs: .lockstep/site/index.html"

.PHONY: lint
lint: setup ## ruff, mypy, yamllint, ansible-lint, shellcheck
	@$(PYTHON) -m local.suite lint

.PHONY: test-sanity
test-sanity: setup ## ansible-test sanity on the built and installed collection
	@$(PYTHON) -m local.suite sanity

.PHONY: test-unit
test-unit: setup ## Unit tests (about three minutes)
	@$(PYTHON) -m local.suite unit

.PHONY: test-integration
test-integration: setup ## The playbooks as people run them, with stubs where a host would be
	@$(PYTHON) -m local.suite integration

.PHONY: test-contract
test-contract: setup ## The fake conda against its contract; LOCKSTEP_REAL_CONDA=/path/to/conda runs a real one too
	@$(PYTHON) -m local.suite contract

.PHONY: test-pulumi
test-pulumi: setup ## The Pulumi program through a real engine, over an emulated EC2
	@$(PYTHON) -m local.suite pulumi

.PHONY: test-molecule
test-molecule: artefacts ## The roles on real hosts
	@$(PYTHON) -m local.suite molecule

.PHONY: test-faults
test-faults: artefacts ## What happens when things break: on real hosts
	@$(PYTHON) -m local.suite faults

.PHONY: test
test: artefacts ## All tests, and a count at the end
	@$(PYTHON) -m local.suite lint sanity unit integration contract pulumi bench-smoke molecule faults

.PHONY: test-bench-smoke
test-bench-smoke: setup ## Each benchmark in its smallest size: that it still works, not how long it takes
	@$(PYTHON) -m local.suite bench-smoke

.PHONY: bench
bench: artefacts ## Measurements: builds, no-op runs, audits of many hosts
	@$(PYTHON) -m local.suite bench
