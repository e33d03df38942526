# Every target sets up by itself: a bare clone needs Python (3.11 or newer) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PACKAGES := bireme events sensors controller executor server
# What an engine loads is compiled once, here, even where Python is told to leave no such files behind.
COMPILED := PYTHONDONTWRITEBYTECODE=

.PHONY: setup demo up check format test soak bench lock clean help

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: $(STAMP) ## make .venv with everything in it, and .venv/bin/bireme

$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked dependencies into $(VENV) ..."
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@$(COMPILED) $(BIN)/python -m compileall -q -j 0 $(PACKAGES)
	@$(COMPILED) $(BIN)/python -c "import server.wiring, server.api.app" && $(COMPILED) $(BIN)/bireme lint examples >/dev/null
	@touch $@

demo: $(STAMP) ## the main job on the embedded default: events in, workflows out
	@$(BIN)/bireme demo

up: $(STAMP) ## run everything, watching examples/
	$(BIN)/bireme up examples

check: $(STAMP) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## write the format and the fixes that are safe
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(STAMP) ## the tests
	$(BIN)/python -m pytest -n auto --dist loadfile

soak: $(STAMP) ## thousands of seeds with crashes at every commit and await; an engine killed thirty times under load
	$(BIN)/python -m tests.sensors.simulation 3000
	$(BIN)/python -m tests.dag.simulation 3000
	$(BIN)/python -m tests.controller.simulation 300
	SOAK_KILLS=30 $(BIN)/python -m pytest -q tests/e2e/test_crash_loop.py tests/e2e/test_kafka_pipeline.py

bench: $(STAMP) ## benchmarks: each figure beside a limit measured in the same run
	$(BIN)/python -m benchmarks

lock: $(STAMP) ## resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras --group dev --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements.lock

clean: ## remove what the other targets made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
