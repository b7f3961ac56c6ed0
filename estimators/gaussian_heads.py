"""Gaussian models of a pair of codes: what a flow is trained by, and the MI in nats that is read from held-out codes.

Codes are a pair of (R, B, d_x) and (R, B, d_y), R replicates side by side. Covariances are summed in float64: at 10
nats in one dimension the residual variance is 2e-9 of the variance, which float32 cannot hold.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .wishart import mi_bias

Codes = tuple[Tensor, Tensor]
_SINGULAR = 1e-13  # share of a variance that is left of it, given other codes, where there is nothing but rounding


class ProfiledGaussian(nn.Module):
    """A Gaussian of any covariance, which is always that of the codes at hand: ½ ln det Σ̂ is left of the likelihood."""

    def loss(self, codes: Codes) -> Tensor:
        """Return the mean negative log-likelihood (R,) under the covariance of these codes, up to a constant."""
        return log_det(covariance(torch.cat(codes, dim=-1))) / 2

    def score(self, codes: Codes, others: Callable[[], Codes]) -> Tensor:
        """Return the mean negative log-likelihood (R,) under the Gaussian of other codes, up to a constant."""
        return normal_cost(torch.cat(codes, dim=-1), torch.cat(others(), dim=-1)).mean(dim=1)

    def read(self, codes: Codes, training: Callable[[], Codes]) -> "Reading":
        """Return the MI of held-out codes."""
        return read_free(codes)


class ConditionalGaussian(nn.Module):
    """The law of y given x of a Gaussian of any covariance, which is always that of the codes at hand."""

    def loss(self, codes: Codes) -> Tensor:
        """Return the mean negative log-likelihood (R,) under the covariance of these codes, up to a constant."""
        return (log_det(covariance(torch.cat(codes, dim=-1))) - log_det(covariance(codes[0]))) / 2

    def score(self, codes: Codes, others: Callable[[], Codes]) -> Tensor:
        """Return the mean negative log-likelihood (R,) under the Gaussian of other codes, up to a constant."""
        return self.costs(codes, others()).mean(dim=1)

    def costs(self, codes: Codes, others: Codes) -> Tensor:
        """Return −ln of the density (R, B) of y given x, by the Gaussian of other codes, less (d_y/2) ln 2π."""
        joint = normal_cost(torch.cat(codes, dim=-1), torch.cat(others, dim=-1))
        return joint - normal_cost(codes[0], others[0])


class PairedGaussian(nn.Module):
    """Unit variances, and correlations ρ_j between the j-th codes of the two sides alone, after an affine layer a side.

    The layers begin at the canonical variables of `codes`, which are white and correlated pair by pair, and are
    trained with the rest. ρ_j = √(1 − e^{−2 I_j}), I_j = softplus(a_j), which stays finite near ρ = 1; `shared` gives
    all pairs one ρ. Canonical variables keep both sides white and bring their cross-covariance nearest to a multiple of
    the identity; with `even` the layer of y makes it one, at the price of white codes.
    """

    def __init__(self, codes: Codes, shared: bool, even: bool = False) -> None:
        super().__init__()
        self.shared = shared
        to_x, to_y, correlations = canonical_layers(codes)
        self.pairs = correlations.shape[-1]
        if even:
            scales = even_scales(correlations, codes[1].shape[1])
            to_y[..., : self.pairs] *= scales[:, None]
            correlations = correlations * scales
        self.to_x, self.to_y = nn.Parameter(to_x.float()), nn.Parameter(to_y.float())
        means = [side.double().mean(dim=1, keepdim=True) for side in codes]
        self.from_x, self.from_y = (nn.Parameter(-(m @ w).float()) for m, w in zip(means, (to_x, to_y), strict=True))
        start = correlations.mean(dim=1, keepdim=True) if shared else correlations
        information = -torch.log1p(-start.square().clamp(1e-4, 1 - 1e-12)) / 2
        self.logit = nn.Parameter(information.expm1().log().float())

    def scores(self, codes: Codes) -> Codes:
        """Return the codes behind the affine layers, in float64."""
        x, y = codes
        return torch.baddbmm(self.from_x, x, self.to_x).double(), torch.baddbmm(self.from_y, y, self.to_y).double()

    def loss(self, codes: Codes) -> Tensor:
        """Return the mean negative log-likelihood (R,), up to a constant."""
        x, y = self.scores(codes)
        u, v = x[..., : self.pairs], y[..., : self.pairs]
        information = nn.functional.softplus(self.logit.double())[:, None]
        rho = (-torch.expm1(-2 * information)).sqrt()
        # (u² + v² − 2ρuv) / (1 − ρ²) without the cancellation at ρ near 1.
        paired = (2 * information).exp() * (u - v).square() / 2 + u * v / (1 + rho) - information
        alone = (x[..., self.pairs :].square().sum(dim=-1) + y[..., self.pairs :].square().sum(dim=-1)) / 2
        return (paired.sum(dim=-1) + alone).mean(dim=1) - log_det(self.to_x) - log_det(self.to_y)

    def score(self, codes: Codes, others: Callable[[], Codes]) -> Tensor:
        """Return what `loss` does: a model that is fitted by gradient needs no other codes."""
        return self.loss(codes)

    def read(self, codes: Codes, training: Callable[[], Codes]) -> "Reading":
        """Return the MI of held-out codes, of which those of `training` rows tell the pairs where they share one ρ."""
        return read_shared(codes, training()) if self.shared else read_free(codes)


@dataclass(frozen=True)
class Reading:
    """The MI of each replicate (R,) in nats, and its standard error (R,) given the flow."""

    value: Tensor
    std_error: Tensor


def read_free(codes: Codes) -> Reading:
    """Return ½ (ln det Σ_x + ln det Σ_y − ln det Σ) of the codes, without its finite-sample bias on Gaussian codes.

    That is −½ Σ ln(1 − ρ_j²) over the canonical correlations. The standard error is that of the mean of its influence
    function, the pointwise MI.
    """
    x, y = codes
    rows, joint = x.shape[1], torch.cat(codes, dim=-1)
    value = (covariance_log_det(x) + covariance_log_det(y) - covariance_log_det(joint)) / 2
    pointwise = gaussian_pointwise(codes, codes)
    return Reading(value - mi_bias(x.shape[-1], y.shape[-1], rows - 1), pointwise.std(dim=1) / math.sqrt(rows))


def read_shared(codes: Codes, training: Codes) -> Reading:
    """Return −(m/2) ln(1 − ρ²), ρ the mean of the m canonical correlations of codes.

    Canonical variables of the codes themselves give too much, and the mean pointwise MI of codes by the canonical
    variables and the ρ of codes for `training` too little, to first order by the same number of parameters over twice
    the rows that they are fitted to: the answer is the mean in which these cancel.
    """
    rows, fitted = codes[0].shape[1], training[0].shape[1]
    within, pointwise = (_shared_pointwise(codes, of) for of in (codes, training))
    value = (rows * within.mean(dim=1) + fitted * pointwise.mean(dim=1)) / (rows + fitted)
    return Reading(value, pointwise.std(dim=1) / math.sqrt(rows))


def _shared_pointwise(codes: Codes, of: Codes) -> Tensor:
    """Return the pointwise MI (R, B) of codes under the canonical variables, and their mean correlation, `of` others.

    Σ_j (ρuv − ½ρ² (u² + v²)) / (1 − ρ²) − ½ ln(1 − ρ²), arranged so that it keeps its digits at ρ near 1.
    """
    to_x, to_y, correlations = canonical_layers(of)
    pairs = correlations.shape[-1]
    u, v = (
        (side.double() - other.double().mean(dim=1, keepdim=True)) @ layer[..., :pairs]
        for side, other, layer in zip(codes, of, (to_x, to_y), strict=True)
    )
    rho = correlations.mean(dim=1)[:, None, None]
    rest = 1 - rho.square()
    rest = torch.where(rest > _SINGULAR, rest, torch.nan)
    terms = rho * u * v / (1 + rho) - rho.square() * (u - v).square() / (2 * rest) - rest.log() / 2
    return terms.sum(dim=2)


def gaussian_pointwise(codes: Codes, others: Codes) -> Tensor:
    """Return ln p(x, y) / p(x) p(y) (R, B) of codes, by the Gaussian of others."""
    joint = normal_cost(torch.cat(codes, dim=-1), torch.cat(others, dim=-1))
    return normal_cost(codes[0], others[0]) + normal_cost(codes[1], others[1]) - joint


def covariance(codes: Tensor) -> Tensor:
    """Return the unbiased covariances (R, d, d) of codes (R, B, d), in float64."""
    centred = codes.double() - codes.double().mean(dim=1, keepdim=True)
    return centred.mT @ centred / (codes.shape[1] - 1)


def log_det(matrices: Tensor) -> Tensor:
    """Return ln|det| (R,) of matrices (R, d, d); NaN or −∞ where there is none, and no error."""
    result: Tensor = torch.linalg.slogdet(matrices.double()).logabsdet
    return result


def covariance_log_det(codes: Tensor) -> Tensor:
    """Return ln det Σ̂ (R,) of codes (R, B, d); NaN where one code is, to rounding, a linear function of the others."""
    matrices = covariance(codes)
    residuals: Tensor = torch.linalg.cholesky_ex(matrices).L.diagonal(dim1=1, dim2=2).square()
    shares = residuals / matrices.diagonal(dim1=1, dim2=2)
    return torch.where((shares > _SINGULAR).all(dim=1), residuals.log().sum(dim=1), torch.nan)


def normal_cost(codes: Tensor, others: Tensor) -> Tensor:
    """Return −ln of the normal density (R, B) of codes (R, B, d), fitted to other codes, less (d/2) ln 2π."""
    norms, log_dets = squared_norms(codes, others)
    return (norms + log_dets) / 2


def squared_norms(codes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Return the squared Mahalanobis norms (R, B) of codes (R, B, d) by the covariance of others; its ln det (R, 1)."""
    factor = torch.linalg.cholesky_ex(covariance(others)).L
    centred = codes.double() - others.double().mean(dim=1, keepdim=True)
    white = torch.linalg.solve_triangular(factor, centred.mT, upper=False)
    return white.square().sum(dim=1), 2 * factor.diagonal(dim1=1, dim2=2).log().sum(dim=1, keepdim=True)


def canonical_layers(codes: Codes) -> tuple[Tensor, Tensor, Tensor]:
    """Return the canonical layers (R, d_x, d_x), (R, d_y, d_y) of codes, and their correlations (R, min(d_x, d_y)).

    The correlations of codes that are not all finite are NaN.
    """
    finite = torch.isfinite(torch.cat(codes, dim=-1)).all(dim=2).all(dim=1)
    whole = [torch.where(finite[:, None, None], side.double(), 0) for side in codes]
    x, y = (side - side.mean(dim=1, keepdim=True) for side in whole)
    white_x, white_y = whitener(x), whitener(y)
    cross = white_x.mT @ (x.mT @ y / (x.shape[1] - 1)) @ white_y
    left, correlations, right = torch.linalg.svd(cross)
    return white_x @ left, white_y @ right.mT, torch.where(finite[:, None], correlations, torch.nan)


def even_scales(correlations: Tensor, rows: int) -> Tensor:
    """Return factors (R, m) of mean square 1 that make correlations (R, m) equal, but for those lost in the noise."""
    inverse = 1 / correlations.clamp_min(1 / math.sqrt(rows))
    return inverse / inverse.square().mean(dim=1, keepdim=True).sqrt()


def whitener(codes: Tensor) -> Tensor:
    """Return Σ̂^{−1/2}, symmetric (R, d, d), of codes (R, B, d); the identity where no code varies."""
    values, vectors = torch.linalg.eigh(covariance(codes))
    largest = values[:, -1:]
    least = torch.where(largest > 0, _SINGULAR * largest, 1)
    white: Tensor = vectors / torch.maximum(values, least)[:, None].sqrt() @ vectors.mT
    return white
