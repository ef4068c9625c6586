# Needs Python 3.11 or later, git and a package index; sets up .venv by itself.
#   make test PYTHON=python3.13                  another interpreter (of a .venv that does not exist yet)
#   make test PYTEST_ARGS="-k training"          some of the tests
#   make install PIP_ARGS="--index-url URL"      anything for pip
PYTHON ?= python3
PIP_ARGS ?=
PYTEST_ARGS ?=

BIN := .venv/bin
INSTALLED := .venv/.installed
DOCS := .venv/.docs
WHEEL := build/wheel
RENDER := .venv-render
HEADS := tools/render_heads
JUDGES := .venv-oracles
ORACLES := tools/oracles
SOURCES := $(shell find src \( -name __pycache__ -o -name '*.egg-info' \) -prune -o -print)

.DELETE_ON_ERROR:
.PHONY: install lint lint-code lint-format lint-types lint-layers lint-tables format
.PHONY: test test-render-heads test-oracles browser docs quick demo clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("HandsOff needs Python 3.11 or later: make PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	touch $@

lint: lint-code lint-format lint-types lint-layers lint-tables
lint-code: $(INSTALLED)
	$(BIN)/ruff check .
lint-format: $(INSTALLED)
	$(BIN)/ruff format --check .
lint-types: $(INSTALLED)
	$(BIN)/mypy
lint-layers: $(INSTALLED)
	$(BIN)/lint-imports --no-logo
# Tables of README.md and docs/ say what benchmarks/results says; `python benchmarks/tables` writes them.
lint-tables: $(INSTALLED)
	$(BIN)/python benchmarks/tables --check

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The whole suite, on the wheel a user would install rather than on src/; properties on the same examples every time
# (`make quick` tries new ones). Each core works on a file of tests at a time.
test: $(WHEEL)/.built
	PYTHONPATH=$(CURDIR)/$(WHEEL) $(BIN)/python -m pytest --hypothesis-profile=ci \
		--numprocesses auto --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

$(WHEEL)/.built: $(INSTALLED) $(SOURCES) README.md LICENSE
	rm -rf build/lib build/bdist.* $(WHEEL)
	$(BIN)/python -m pip install $(PIP_ARGS) --quiet --no-deps --target $(WHEEL) .
	touch $@

# The renderer of the demo's heads, in an environment of its own: it needs numba and 48 MB of mesh data, and HandsOff does not.
test-render-heads: $(RENDER)/.installed
	XDG_CACHE_HOME=$(CURDIR)/$(RENDER)/cache $(RENDER)/bin/python -m pytest -c /dev/null --rootdir $(HEADS) \
		-p no:cacheprovider $(HEADS)/test_render.py

$(RENDER)/.installed: $(HEADS)/requirements.txt $(HEADS)/requirements-assets.txt constraints.txt
	$(PYTHON) -m venv --clear $(RENDER)
	$(RENDER)/bin/python -m pip install $(PIP_ARGS) -c constraints.txt -r $(HEADS)/requirements.txt pytest
	$(RENDER)/bin/python -m pip install $(PIP_ARGS) -c constraints.txt --no-deps -r $(HEADS)/requirements-assets.txt
	touch $@

# Our exports, read by other tools (datumaro, pycocotools, Ultralytics, supervision, Label Studio) in their environment.
test-oracles: $(INSTALLED) $(JUDGES)/.installed
	PYTHONPATH=$(CURDIR)/src $(BIN)/python $(ORACLES)/export.py build/exports
	EXPORTS=$(CURDIR)/build/exports $(JUDGES)/bin/python -m pytest -q -c /dev/null --rootdir $(ORACLES) \
		-p no:cacheprovider $(ORACLES)/test_oracles.py

$(JUDGES)/.installed: $(ORACLES)/requirements.txt $(ORACLES)/requirements-code.txt
	$(PYTHON) -m venv --clear $(JUDGES)
	$(JUDGES)/bin/python -m pip install $(PIP_ARGS) -r $(ORACLES)/requirements.txt
	$(JUDGES)/bin/python -m pip install $(PIP_ARGS) --no-deps -r $(ORACLES)/requirements-code.txt
	touch $@

# Playwright and Chromium, for the tests of the page of `handsoff review`; where they are missing, those are skipped.
browser: $(INSTALLED)
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e '.[dev,browser]'
	command -v chromium || { apt-get update && apt-get install --yes --no-install-recommends chromium; }

# The pages of docs/ as a site in site/, with links that lead nowhere as errors.
docs: $(DOCS)
	$(BIN)/zensical build --strict

$(DOCS): $(INSTALLED)
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e '.[dev,docs]'
	touch $@

# What is quick, on src/ as it is.
quick: $(INSTALLED)
	$(BIN)/python -m pytest -m "not slow" $(PYTEST_ARGS)

# Everything HandsOff does, on rendered heads that come with it; the report is demo/report.html.
demo: $(INSTALLED)
	$(BIN)/handsoff demo

clean:
	rm -rf build dist site .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
