# make build and make test are all a newcomer needs; make help lists the rest.
# RAW_DATA, RAW_FORMAT, AS_OF, TARGET and PUBLISHED may be set in the environment or on the line; JOBS: tests at once.

PYTHON ?= python3
TARGET ?= dev
JOBS ?= 2
BIN := .venv/bin
RUN := $(BIN)/python -m

export SEGMART_TARGET ?= $(TARGET)
# Without byte code dbt takes twice as long to start.
export PYTHONDONTWRITEBYTECODE :=
export DO_NOT_TRACK := 1

.DEFAULT_GOAL := help
.PHONY: help build load gate publish publish-postgres superset-assets dashboard report pictures audience score metrics new-metric test test-long test-browser test-full test-bi lint docs study-pages refit rollback backfill watch import demo-data bench profile clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 26

.venv/installed: requirements-uv.lock requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Segmart needs Python 3.11 or newer; name one: make build PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing into .venv (once) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes --python $(BIN)/python -r requirements.lock
	@touch $@

build: .venv/installed ## load, gate and publish: raw files to published marts; nothing to do where nothing is new
	@$(RUN) pipeline.build

load: .venv/installed ## build and test every model with dbt
	@$(RUN) pipeline.load

gate: .venv/installed ## check what was handed in and what is handed out
	@$(RUN) pipeline.gate

publish: .venv/installed ## publish the last build that passed everything
	@$(RUN) pipeline.publish

dashboard: .venv/installed ## serve the boards over the published file until Ctrl-C: make dashboard (PORT=8765)
	@PORT="$(PORT)" $(RUN) pipeline.dashboard

report: .venv/installed ## draw the boards as one page for people without a terminal: published/report.html
	@$(RUN) pipeline.report

# Most users need no server: its client is one wheel, kept apart from .venv.
.venv-bi/postgres/installed: requirements-postgres.lock .venv/installed
	@rm -rf $(@D)
	@$(BIN)/uv pip install --quiet --target $(@D) --no-deps --require-hashes --python $(BIN)/python -r $<
	@touch $@

publish-postgres: .venv-bi/postgres/installed ## copy what is published to the PostgreSQL server of PGSERVICE, or PGHOST, PGDATABASE ...
	@$(RUN) pipeline.publish_postgres

superset-assets: .venv/installed ## pack datasets and a dashboard for Apache Superset (target/superset_assets.zip, or OUT=...)
	@$(RUN) pipeline.superset_assets

refit: .venv/installed ## fit segmentations anew: make refit SEGMENTATION=behaviour (or all)
	@SEGMART_REFIT=$(or $(SEGMENTATION),all) $(RUN) pipeline.load

rollback: .venv/installed ## publish again under an earlier fit: make rollback FIT=behaviour-1a2b3c...
	@SEGMART_FIT="$(or $(FIT),nameless)" $(RUN) pipeline.load
	@$(RUN) pipeline.gate
	@$(RUN) pipeline.publish

backfill: .venv/installed ## fill history month by month: make backfill FROM=2026-01-31 TO=2026-05-31
	@FROM="$(FROM)" TO="$(TO)" $(RUN) pipeline.backfill

watch: .venv/installed ## follow the folder RAW_DATA and publish what lands in it, until Ctrl-C
	@$(RUN) pipeline.watch

import: .venv/installed ## turn a foreign file into raw files: make import SOURCE=... INPUT=... OUT=...
	@$(RUN) pipeline.import_source "$(SOURCE)" "$(INPUT)" "$(OUT)"

audience: .venv/installed ## draw the next test by lot: make audience RECOMMENDATION=... OUT=... (SIZE=customers an arm)
	@$(RUN) pipeline.audience

score: .venv/installed ## say which segment a customer is in: make score CUSTOMER='{"monthly_income": 2500}' (or a file, or stdin)
	@$(RUN) pipeline.score

metrics: .venv/installed ## ask for metrics: make metrics M=ctr BY=segment__segment_name (CSV=1, EXPLAIN=1); without M, list them
	@$(RUN) pipeline.metrics

new-metric: .venv/installed ## write the files of a metric of your own: make new-metric NAME=... DESCRIPTION="..."
	@$(RUN) pipeline.new_metric

test: .venv/installed ## run the tests of some minutes
	@$(RUN) pytest -n $(JOBS) --dist loadfile

test-long: .venv/installed ## run the tests that make whole builds of their own
	@$(RUN) pytest -n $(JOBS) --dist loadfile -m "long and not full"

test-browser: .venv/installed ## look at boards and report in Chromium, over the demo as published; pictures in screenshots/
	@$(RUN) pytest tests/browser

test-full: .venv/installed ## run all tests, those of hours too
	@$(RUN) pytest -n $(JOBS) --dist loadfile -m ""

# Each client has an environment of its own: what it needs would not go together with the project's.
.venv-bi/%/installed: tests/bi/requirements-%.lock .venv/installed
	@echo "Installing into .venv-bi/$* (once) ..."
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-bi/$*
	@$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes --python .venv-bi/$*/bin/python -r $<
	@touch $@

test-bi: .venv-bi/clients/installed .venv-bi/superset/installed .venv-bi/postgres/installed ## read the published files with BI clients, Apache Superset among them
	@$(RUN) pytest -n $(JOBS) --dist loadfile tests/bi

lint: .venv/installed ## sqlfluff, ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint models tests/data importers

docs: .venv/installed ## write the dbt docs (target/static_index.html) and, from the demo's build, docs/how_to_read_a_verdict.md
	@$(BIN)/dbt docs generate --static --quiet && echo "target/static_index.html"
	@$(RUN) pipeline.verdict_page

pictures: .venv/installed ## photograph the demo's report for the README (docs/board_*.png)
	@$(RUN) pipeline.pictures

study-pages: .venv/installed ## import and build the studies and write docs/studies.md: make study-pages DATA=folder
	@$(RUN) pipeline.study_pages $(or $(DATA),../shared/data)

demo-data: .venv/installed ## write the demo seeds anew, or: CUSTOMERS=1000000 OUT=folder FORMAT=parquet
	@$(RUN) benchmarks.generate $(if $(OUT),--customers $(or $(CUSTOMERS),4000) --out "$(OUT)" --format $(or $(FORMAT),csv),--out seeds --prefix raw_ --truth benchmarks/demo_truth.json)

# What people would use instead has an environment of its own, with versions as in .venv where both have a package.
.venv-bi/peers/installed: requirements-peers.lock .venv/installed
	@echo "Installing into .venv-bi/peers (once) ..."
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	@$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes --python $(@D)/bin/python -r $<
	@touch $@

bench: .venv/installed $(if $(SIZE),.venv-bi/peers/installed) ## time a fresh install and the demo's build; or many customers against scripts: SIZE=S, M or L (REPEATS=3, ONLY=..., RESUME=1, ACCEPT=1); or a fit: FIT=1
	@$(RUN) $(if $(SIZE),benchmarks.peers.contest $(SIZE) --repeats $(or $(REPEATS),3) --only "$(ONLY)" $(if $(RESUME),--resume) $(if $(ACCEPT),--accept),$(if $(FIT),benchmarks.fit,benchmarks.bench))

profile: .venv/installed ## show where the last build's time went: the slowest nodes, and build/profile.svg (SEGMART_PROFILE=1 make load notes what was spilled)
	@$(RUN) benchmarks.profile

clean: ## remove what builds make; published files, fits and imported data stay
	@rm -rf target logs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
	@echo "Removed logs and caches; build files (with their fits), published files and .venv stay."
