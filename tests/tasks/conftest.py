import math
import os
import subprocess
import sys

import pytest

LARGEST = pytest.StashKey[dict]()


def pytest_configure(config):
    config.stash[LARGEST] = {}


@pytest.fixture
def proved(request, record_property):
    """Assert that a claimed MI is the one proved, and keep the largest deviation of each family for the summary."""
    largest = request.config.stash[LARGEST]

    def check(family, claimed, reference, tolerance):
        deviation, tolerance = abs(float(claimed - reference)), float(tolerance)
        record_property(f"deviation of {family}", deviation)
        largest[str(family)] = max(largest.get(str(family), (0.0, tolerance)), (deviation, tolerance))
        assert math.isfinite(deviation)
        assert deviation <= tolerance, f"{family}: claimed {claimed}, proved {reference}, {deviation:.3g} apart"

    return check


@pytest.fixture
def bits_here_and_elsewhere():
    """Digest n draws of each task, a line a task, here and as if without vector units and with another BLAS kernel."""
    code = (
        "import hashlib, sys, mibench\n"
        "for name in sys.argv[2:]:\n"
        "    x, y = mibench.task(name).sample(int(sys.argv[1]), seed=1)\n"
        "    print(name, hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest())"
    )
    plain = {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX2 FMA3 AVX512F AVX512_SKX",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",
    }

    def digest(names, n):
        command = [sys.executable, "-W", "ignore", "-c", code, str(n), *names]
        runs = (
            subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **extra})
            for extra in ({}, plain)
        )
        here, elsewhere = (run.stdout.splitlines() for run in runs)
        assert len(here) == len(names)
        return here, elsewhere

    return digest


def pytest_terminal_summary(terminalreporter, config):
    largest = config.stash[LARGEST]
    if largest and config.get_verbosity() >= 0:
        terminalreporter.section("largest deviation of a claimed MI from its proof (and what is allowed), in nats")
        for family, (deviation, tolerance) in sorted(largest.items()):
            terminalreporter.write_line(f"{family:32} {deviation:.1e} ({tolerance:.0e})")
