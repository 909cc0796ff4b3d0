# make demo, make test: everything from a fresh clone; needs Python 3.11 or later and nothing else.
# PYTHON=python3.12 chooses another interpreter; TORCH_INDEX= takes torch from pip's usual index (CUDA build on Linux);
# where pip is set up with PIP_FIND_LINKS, that place is trusted to offer the right build.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH_INDEX ?= $(if $(PIP_FIND_LINKS),,$(shell command -v nvidia-smi >/dev/null || echo https://download.pytorch.org/whl/cpu))

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := experiments/demo
export NO_ALBUMENTATIONS_UPDATE := 1

.PHONY: setup demo test lint docs clean

setup: $(READY)

# The stamp depends on what is to be installed, so a second run installs nothing. The CPU build of torch comes first,
# by one quick try at its index; where that cannot be reached, pip takes torch from where it takes the rest.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c "import sys; sys.exit(sys.version_info < (3, 11) and 'riqa needs Python 3.11 or later: make PYTHON=...')"
	test -z "$(TORCH_INDEX)" || $(BIN)/python -c "import torch" 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --retries 0 --timeout 15 --index-url $(TORCH_INDEX) -c constraints.txt torch || true
	$(BIN)/python -m pip install --quiet -e ".[dev]" -c constraints.txt
	touch $@

demo: $(READY)
	@mkdir -p out/demo
	@echo "== One photograph, two codecs at equal size, with reference"
	@$(BIN)/riqa compare $(DEMO)/skyline.jpg $(DEMO)/skyline.avif --reference $(DEMO)/skyline_reference.webp \
		--out out/demo/report.html --json out/demo/result.json
	@echo "== One noisy photograph, two denoisers, no reference"
	@$(BIN)/riqa compare $(DEMO)/lobster_nlm.webp $(DEMO)/lobster_median.webp \
		--out out/demo/report_noref.html --json out/demo/result_noref.json

test: $(READY)
	$(BIN)/python -m pytest -q -n 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site in out/docs; broken links and warnings are errors. Its tools are the dependency group `docs`.
DOCS_GROUP = import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["docs"])
docs: $(READY)
	$(BIN)/python -c "import mkdocs, mkdocstrings, mkdocs_jupyter" 2>/dev/null || \
		$(BIN)/python -m pip install --quiet -c constraints.txt $$($(BIN)/python -c '$(DOCS_GROUP)')
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

clean:
	rm -rf out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
