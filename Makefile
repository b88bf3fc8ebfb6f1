# Commands for newcomers and contributors; `make help` lists them. A real fleet needs none of them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python
export LOCKSTEP_CACHE ?= $(HOME)/.cache/lockstep
# Tools keep their files in the ignored folder and the cache, not in the user's home.
export ANSIBLE_HOME := $(CURDIR)/.lockstep/ansible
export PIP_CACHE_DIR := $(LOCKSTEP_CACHE)/pip
# Ansible needs a UTF-8 locale, and tests compare messages in English.
export LC_ALL := C.UTF-8
# The fleet of `make up`: its Pulumi stack where there is one, else the saved hosts.
INVENTORY = $(if $(wildcard .lockstep/local/inventory.json),inventory/stack,inventory/local)
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: ## Install missing Debian packages, and .venv with pinned packages
	@local/setup.sh

.PHONY: artefacts
artefacts: setup # images of the hosts, the offline channel and its installer
	@$(PYTHON) -m local.up --only artefacts

.PHONY: up
up: setup ## Create, converge and audit the local fleet (dev, test, prod); a second run changes nothing
	@$(PYTHON) -m local.up

.PHONY: hosts
hosts: setup ## Create only the bare hosts and the channel of the local fleet
	@$(PYTHON) -m local.up --only hosts

.PHONY: converge
converge: setup ## Run site.yml on the local fleet
	@ansible-playbook -i $(INVENTORY) site.yml

.PHONY: audit
audit: setup ## Audit the local fleet: exit 0 only on proven parity
	@ansible-playbook -i $(INVENTORY) playbooks/audit.yml

.PHONY: down
down: ## Remove every container, network and key of the fleets made from this checkout
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local.fakes.ec2 down && $(PYTHON) -m local.fleet down --all; else echo "no .venv, so nothing was made from here"; fi

.PHONY: env
env: ## Print settings for running tools by hand, for `eval`
	@printf 'export %s=%s\n' PATH '$(CURDIR)/.venv/bin:'"$$(printf %s '$$PATH')" \
	  ANSIBLE_HOME '$(ANSIBLE_HOME)' LOCKSTEP_CACHE '$(LOCKSTEP_CACHE)' PIP_CACHE_DIR '$(PIP_CACHE_DIR)'
	@if [ -e .lockstep/local/inventory.json ]; then $(PYTHON) -m local.fakes.ec2 env; fi

.PHONY: docs
docs: setup ## Generate the reference pages, then build the site in .lockstep/site
	@$(PYTHON) docs/generate.py
	@NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --quiet
	@echo "docs: .lockstep/site/index.html"

.PHONY: lint
lint: setup ## Run every linter: ruff, mypy, import-linter, yamllint, ansible-lint, shellcheck
	@$(PYTHON) -m local.suite lint

.PHONY: test-sanity
test-sanity: setup ## Run ansible-test sanity on the built and installed collection
	@$(PYTHON) -m local.suite sanity

.PHONY: test-unit
test-unit: setup ## Run the unit tests
	@$(PYTHON) -m local.suite unit

.PHONY: test-integration
test-integration: setup ## Run the playbooks with stubs in place of hosts
	@$(PYTHON) -m local.suite integration

.PHONY: test-contract
test-contract: setup ## Run the fake conda against its contract; with LOCKSTEP_REAL_CONDA=/path/to/conda also a real one
	@$(PYTHON) -m local.suite contract

.PHONY: test-pulumi
test-pulumi: setup ## Run the Pulumi program with the real engine against an emulated EC2
	@$(PYTHON) -m local.suite pulumi

.PHONY: test-molecule
test-molecule: artefacts ## Run roles and playbooks on container hosts
	@$(PYTHON) -m local.suite molecule

.PHONY: test-faults
test-faults: artefacts ## Cause faults on container hosts: power cuts, full disks, no network
	@$(PYTHON) -m local.suite faults

.PHONY: test
test: artefacts ## Run all tests and count them
	@$(PYTHON) -m local.suite lint sanity unit integration contract pulumi bench-smoke molecule faults

.PHONY: test-bench-smoke
test-bench-smoke: setup ## Run each benchmark in its smallest size, without timings
	@$(PYTHON) -m local.suite bench-smoke

.PHONY: bench
bench: artefacts ## Measure builds, no-op runs, and audits of many hosts
	@$(PYTHON) -m local.suite bench
