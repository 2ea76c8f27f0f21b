# Set-up happens by itself, once: every target that needs the virtual environment depends on its stamp.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
BIN := $(VENV)/bin
UV_VERSION := 0.13.8

.PHONY: demo test ui bench lint format docs warehouse-dump lock system-packages clean help
.DEFAULT_GOAL := help

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## Make a sample, materialise everything, print the answers
	@$(BIN)/ratings-platform demo

ui: $(STAMP) ## Open the Dagster UI on the same data
	@$(BIN)/ratings-platform ui

# File by file, the longest (e2e) first, on as many cores as memory suffices for a server and a Spark each.
test: $(STAMP) system-packages lint ## Run all tests
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadgroup --no-loadscope-reorder --durations=25

lint: $(STAMP) ## Check style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) system-packages ## Measure against hand-written ways and between settings; prints ratios
	$(BIN)/python bench/run.py
	$(BIN)/python bench/warehouse.py
	$(BIN)/python bench/spark_reading.py
	$(BIN)/python bench/past_one_machine.py

docs: $(STAMP) warehouse-dump ## Write the data dictionary and the SQL files anew
	$(BIN)/ratings-platform dictionary > docs/data_dictionary.md
	$(BIN)/ratings-platform sql --dialect duckdb --out docs/sql/duckdb
	$(BIN)/ratings-platform sql --dialect mysql --out docs/sql/mysql

# The tests' own sample, so that they can tell whether the file is current; it is made away from everybody's settings.
DUMP := docs/sql/mysql/warehouse_sample.sql
warehouse-dump: $(STAMP) ## Write a sample of the warehouse as an SQL dump for MySQL
	@home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT && cd "$$home" \
		&& unset DAGSTER_HOME $$(env | grep -o '^RATINGS_[A-Z_]*') \
		&& export RATINGS_HOME="$$home" RATINGS_SOURCE=sample RATINGS_SAMPLE_RATINGS=3000 RATINGS_SAMPLE_SEED=7 \
		&& "$(CURDIR)/$(BIN)/ratings-platform" run \
		&& "$(CURDIR)/$(BIN)/ratings-platform" warehouse-dump --used dim_time --out "$(CURDIR)/$(DUMP)"

lock: $(STAMP) ## Choose versions anew and lock them with hashes
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --extra test \
		--no-header pyproject.toml -o requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; set PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Setting up $(VENV), which happens once: a minute or two, most of it fetching packages" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "The module venv is needed: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

# The tests drive a real Chromium, load a real MariaDB and start real Spark clusters.
PACKAGES := chromium chromium-driver mariadb-server openssl default-jre-headless
system-packages:
	@PATH="$$PATH:/usr/sbin"; command -v chromium >/dev/null && command -v chromedriver >/dev/null \
		&& command -v mariadbd >/dev/null && command -v openssl >/dev/null && command -v java >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(PACKAGES) >/dev/null; \
		else \
			echo "The tests need: $(PACKAGES) (apt-get install $(PACKAGES))" >&2; exit 1; \
		fi; }

clean: ## Remove the virtual environment and caches, not the data
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
