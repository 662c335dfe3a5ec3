# Every target is one script in scripts/; `make help` lists them.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

.PHONY: help run test test-fast check docs fmt up roll down clean doctor backup restore archive rewind load capacity bench chaos fuzz lock protocol

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do printf '  make %-9s %s\n' "$$name" "$$text"; done

run: ## serve http://127.0.0.1:8000 from this checkout; Ctrl-C ends it
	@scripts/run

test: ## install what the tests need and run all of them
	@scripts/test

test-fast: ## the tests that need no container, no browser and no running server; ARGS="--help"
	@scripts/test_fast $(ARGS)

check: ## linters, types, import rules, configuration of nginx and Kubernetes
	@scripts/check

protocol: ## write docs/asyncapi.yaml and the page's types from the server's structs
	@scripts/protocol

docs: ## the pages in docs/ as a site, into artifacts/site
	@scripts/docs

fmt: ## format Python and fix what the linter can
	@scripts/fmt

up: ## start the whole stack in containers; makes .env with fresh secrets the first time
	@scripts/up

roll: ## bring the running stack to the current images and settings without an outage; ARGS="--build"
	@scripts/roll $(ARGS)

doctor: ## what is wrong with the running installation, and the line to change; ARGS="--json"
	@scripts/doctor $(ARGS)

backup: ## database, files and .env of the running installation, into var/backups; people may go on
	@scripts/backup

restore: ## bring a backup back into a stack without data: make restore FROM=latest, or FROM=FILE; ARGS=--check reads it only
	@scripts/restore $(ARGS) "$(FROM)"

archive: ## with ARCHIVE_DAYS: what changed in the database since the last full backup; ARGS="--full" or "--info"
	@scripts/archive $(ARGS)

rewind: ## with ARCHIVE_DAYS: the database as it was: make rewind TO="2026-11-30 12:34:56+00"
	@scripts/archive --rewind "$(TO)"

down: ## stop the stack and keep its data
	@scripts/down

clean: ## stop the stack and delete its data; asks first
	@scripts/clean

load: ## load run with gates: make load URL=http://127.0.0.1:8080 USERS=50 TIME=60s SHAPE=smoke
	@scripts/load

capacity: ## the largest load a server holds, and what runs out: make capacity URL=http://127.0.0.1:8080
	@scripts/capacity

bench: ## measure against the baselines: make bench QUICK=1 takes 2 minutes
	@scripts/bench

chaos: ## break every part of a stack of its own while people write; about 30 minutes; ARGS="--help"
	@scripts/chaos $(ARGS)

fuzz: ## random bytes against a live server for 10 minutes: make fuzz SECONDS=3600 SEED=7
	@FUZZ_SECONDS=$(SECONDS) FUZZ_SEED=$(SEED) scripts/fuzz

lock: ## lock requirements/*.in and the front end's packages anew
	@scripts/lock
