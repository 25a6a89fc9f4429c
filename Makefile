# Each target makes .venv by itself; nothing else has to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 4
READY := $(VENV)/.ready

.PHONY: demo test lint types bench screenshots keys constraints clean

demo: $(READY)
	@$(BIN)/azrecover --emulator

test: $(READY)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY)
	@$(BIN)/mypy

bench: $(READY)
	@$(BIN)/python -m tests.bench

screenshots: $(READY)
	@$(BIN)/python -m tests.ui.screenshots

keys: $(READY)
	@$(BIN)/python -m tui.cheatsheet keys > docs/keys.md
	@$(BIN)/python -m tui.cheatsheet permissions > docs/permissions.md

$(READY): constraints.txt pyproject.toml .ci/make-venv.sh
	@sh .ci/make-venv.sh "$(PYTHON)" "$(VENV)"
	@touch $(READY)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
