"""Leading principal axes of data of many dimensions."""

import torch
from torch import Tensor, nn

_POWER_STEPS = 4  # subspace iterations, enough for the components that hold all but 1e-4 of the variance


def centre(rows: Tensor) -> Tensor:
    """Return rows (n, d) without their mean, which leaves no rounding noise of numbers that do not vary."""
    return (rows - rows.mean(dim=0)) * (rows.amax(dim=0) > rows.amin(dim=0))


def principal_components(rows: Tensor, count: int, remainder: float) -> tuple[Tensor, float]:
    """Return rows (n, d) in their `count` leading principal axes, and the share of variance that this leaves out.

    Their total variance, if there is any, is scaled to `count`. Axes beyond those that hold all but `remainder` of it
    are set to zero, as are those beyond d or n. The axes are found by subspace iteration, which never forms a d × d
    matrix.
    """
    centred = centre(rows)
    total = centred.square().sum()
    if total == 0:
        return rows.new_zeros(len(rows), count), 0.0
    rank = min(count, *rows.shape)
    basis = torch.randn(rows.shape[1], rank, generator=torch.Generator().manual_seed(0)).to(rows)
    for _ in range(_POWER_STEPS):
        basis = torch.linalg.qr(centred.T @ (centred @ basis)).Q
    projected = centred @ basis
    _, singular, rotation = torch.linalg.svd(torch.linalg.qr(projected).R)
    shares = singular.square() / total
    kept = shares.cumsum(dim=0) - shares < 1 - remainder
    scaled = projected @ rotation.T * kept * torch.sqrt(count * len(rows) / total)
    return nn.functional.pad(scaled, (0, count - rank)), max(0.0, 1 - float(shares[kept].sum()))
