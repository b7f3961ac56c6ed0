import math

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


def pytest_terminal_summary(terminalreporter, config):
    largest = config.stash[LARGEST]
    if largest and config.get_verbosity() >= 0:
        terminalreporter.section("largest deviation of a claimed MI from its proof (and what is allowed), in nats")
        for family, (deviation, tolerance) in sorted(largest.items()):
            terminalreporter.write_line(f"{family:32} {deviation:.1e} ({tolerance:.0e})")
