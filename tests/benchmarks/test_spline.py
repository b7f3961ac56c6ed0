"""The spline of the flows against that of normflows, on the arrays of one training step: ``make bench``."""

import pytest
import torch
from normflows.utils.splines import unconstrained_rational_quadratic_spline

from mibench.estimators.splines import BOUND, spline

REPLICATES, ROWS, DIM, BINS = 20, 256, 5, 8


@pytest.mark.benchmark(group="spline, forward and backward")
@pytest.mark.parametrize("way", ["mibench", "normflows"])
def test_spline(benchmark, way):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(REPLICATES, DIM, ROWS, generator=generator)
    logits = torch.randn(REPLICATES, 3 * BINS + 1, DIM, ROWS, generator=generator, requires_grad=True)

    def ours():
        return spline(x, logits)

    def theirs():
        rows = logits.movedim(1, -1)
        widths, heights, slopes = rows[..., :BINS], rows[..., BINS : 2 * BINS], rows[..., 2 * BINS + 1 : -1]
        return unconstrained_rational_quadratic_spline(x, widths, heights, slopes, tail_bound=BOUND)

    def step():
        codes, log_slope = (ours if way == "mibench" else theirs)()
        (codes.sum() - log_slope.sum()).backward()
        return codes

    assert torch.isfinite(benchmark(step)).all()
