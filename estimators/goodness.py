"""How well a Gaussian fits a pair of codes: what tells whether the MI that is read from it is all there is."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .gaussian_heads import Codes, canonical_layers, covariance_log_det, squared_norms
from .ksg import KSG

_ROWS = 1000  # that are enough to see what matters of a residual, to some 0.03 nats


@dataclass(frozen=True)
class Goodness:
    """Of each of M pairs of codes: canonical correlations (M, m), and two measures (M,) of what is not Gaussian.

    `kurtosis` is how many standard errors Mardia's kurtosis of both sides is from that of a Gaussian. `residual` is the
    MI in nats that KSG finds between u and (v − ρu) / √(1 − ρ²), of canonical variables u and v: they are independent
    where the codes are Gaussian, and else I(u; v) is the Gaussian MI, plus the residual, plus the negentropy of what u
    leaves of v, less that of v.
    """

    correlations: Tensor
    kurtosis: Tensor
    residual: Tensor

    def diagnostics(self, member: int) -> dict[str, float]:
        """Return the measures of one pair for its record."""
        return {"kurtosis": float(self.kurtosis[member]), "residual": float(self.residual[member])}


def goodness(codes: Codes) -> Goodness:
    """Return the measures of codes (M, B, d_x) and (M, B, d_y); NaN where a covariance is singular."""
    x, y = codes
    joint = torch.cat(codes, dim=-1)
    sound = torch.isfinite(covariance_log_det(x) + covariance_log_det(y) + covariance_log_det(joint))
    to_x, to_y, correlations = canonical_layers(codes)
    residual, kurtosis = (torch.full_like(correlations[:, 0], torch.nan) for _ in range(2))
    if sound.any():
        kurtosis[sound] = _kurtosis(joint[sound])
        u, v = (side[sound, :_ROWS] @ layer[sound] for side, layer in ((x, to_x), (y, to_y)))
        # Independence does not depend on the origin.
        rho, pairs = correlations[sound, None], correlations.shape[1]
        v[..., :pairs] = (v[..., :pairs] - rho * u[..., :pairs]) / (1 - rho.square()).clamp(min=0).sqrt()
        terms, _ = KSG().terms(u.cpu().numpy(), v.cpu().numpy(), "cpu")
        residual[sound] = torch.as_tensor(terms.mean(axis=1), device=residual.device)
    return Goodness(correlations, kurtosis, residual)


def _kurtosis(codes: Tensor) -> Tensor:
    """Return Mardia's kurtosis (M,) of codes (M, B, d) in standard errors from its mean over Gaussian samples."""
    _, rows, dim = codes.shape
    norms, _ = squared_norms(codes, codes)
    found = norms.mul(rows / (rows - 1)).square().mean(dim=1)
    expected = dim * (dim + 2) * (rows - 1) / (rows + 1)
    return (found - expected) / math.sqrt(8 * dim * (dim + 2) / rows)
