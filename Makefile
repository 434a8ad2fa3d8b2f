# Everything a newcomer types. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
SERVICES := $(patsubst %/pyproject.toml,%,$(sort $(wildcard services/*/pyproject.toml)))
ENV_FILE := $(or $(COMPOSE_ENV_FILES),.env)
setting = $(or $($(1)),$(shell sed -n 's/^ *$(1)=//p' $(ENV_FILE) 2> /dev/null | tail -n 1))
COMPOSE_HOME := $(abspath $(or $(call setting,VARCO_HOME),var))
CLI_IMAGE := varco/cli:$(or $(call setting,VARCO_VERSION),dev)
PARTS := libs/common $(SERVICES) cli

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

.venv/ready: requirements.lock $(addsuffix /pyproject.toml,$(PARTS))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Varco needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(addprefix -e ,$(PARTS))
	@touch $@

venv: .venv/ready ## the virtual environment, with everything pinned by hash

up: venv ## start the whole gateway here; Ctrl-C ends it
	@$(BIN)/varco up

secrets: ## random secrets, .env and the bus's configuration for docker compose; what is there stays
	@mkdir -p -m 700 "$(COMPOSE_HOME)"
	docker build --quiet --build-arg SERVICE=cli --tag $(CLI_IMAGE) .
	@docker run --rm --network none --user "$$(id -u):$$(id -g)" --volume "$(CURDIR):$(CURDIR)" --volume "$(COMPOSE_HOME):$(COMPOSE_HOME)" \
	  --workdir "$(CURDIR)" --env VARCO_HOME="$(COMPOSE_HOME)" $(CLI_IMAGE) \
	  varco init --env-file "$(ENV_FILE)" --hostname "$(or $(call setting,VARCO_HOSTNAME),$$(hostname -f))"

check: ## with docker compose: what is wrong with settings, secrets and ports, before anything is replaced
	@docker/check.sh

backup: ## with docker compose: everything into one folder below ./backups
	@docker/backup.sh

restore: ## with docker compose, into empty volumes: make restore FROM=backups/2026-11-24-030000
	@docker/restore.sh $(FROM)

upgrade: secrets ## with docker compose: replaces every service by the version in this folder
	@docker/upgrade.sh

rotate-token: ## with docker compose: another admin token; the old one ends
	@docker/rotate-token.sh

demo: venv ## start it with a local next hop, send mails that show each rule, print what became of them
	@$(BIN)/varco demo

test: export PYTHONDONTWRITEBYTECODE :=  # compiled once, and not again by each of a thousand processes
test: venv ## every test, four files at a time, because most of them wait; the longest files first
	$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder tests/power tests cli services libs bench lint

test-compose: venv ## the gate in Docker, for real (needs a Docker Engine with Compose v2; minutes)
	$(BIN)/pytest tests/compose

lint: venv ## style, types, layers, stale documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m lint
	$(BIN)/python -m varco_cli.docs --check docs

docs: venv ## write the generated documents anew
	$(BIN)/python -m varco_cli.docs docs
	$(BIN)/python -m varco_cli.reference docs/cli.md

screenshots: venv ## make the pictures of docs/console.md anew (needs Chromium)
	$(BIN)/python -m bench.screenshots

bench: venv ## how fast, beside peers where they can be had
	$(BIN)/python -m bench
	$(BIN)/python -m bench.voters
	$(BIN)/python -m bench.flood
	$(BIN)/python -m bench.archive_copies
	$(BIN)/python -m bench.links
	$(BIN)/python -m bench.links_memory
	$(BIN)/python -m bench.links_guessing

lock: ## resolve requirements.in into requirements.lock, with hashes (needs uv)
	uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes --no-header -o requirements.lock \
	  $(addprefix --no-emit-package ,varco-common $(patsubst services/%,varco-%,$(SERVICES)) varco-cli)

.PHONY: help venv up secrets check backup restore upgrade rotate-token demo test test-compose lint docs screenshots bench lock
