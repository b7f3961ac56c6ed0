# `make run` and `make test` do all the set-up themselves; they need Python 3.11 or later and make.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
SOME := oracle,zero,gaussian_fit,histogram,kde,ksg,copula_ksg,kl,wkl,lnc,mixed_ksg,mine,nwj,infonce,smile,doe,flow_gaussian,ae

.PHONY: run test lint faults bench peers clean

run: $(INSTALLED)
	$(BIN)/mibench run --task all --estimator oracle,gaussian_fit,ksg --profile smoke; code=$$?; [ $$code -eq 0 ] || [ $$code -eq 3 ]
	$(BIN)/mibench run --task core --estimator $(SOME) --profile smoke; code=$$?; [ $$code -eq 0 ] || [ $$code -eq 3 ]
	$(BIN)/mibench leaderboard --task core
	$(BIN)/mibench leaderboard --output leaderboard.md

test: $(INSTALLED) lint
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/mypy mibench tasks estimators leaderboard

faults: $(INSTALLED)
	MIBENCH_KILLS=100 $(BIN)/python -m pytest tests/faults

bench: $(INSTALLED)
	$(BIN)/python -m pytest tests/benchmarks

peers: $(patsubst tests/benchmarks/peers/%.txt,.peers/%/.installed,$(wildcard tests/benchmarks/peers/*.txt))

.peers/%/.installed: tests/benchmarks/peers/%.txt
	$(PYTHON) -m venv .peers/$*
	.peers/$*/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "mibench needs Python 3.11 or later: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .peers build dist *.egg-info
