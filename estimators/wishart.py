"""What a Gaussian sample covariance does to a log determinant: the exact bias, for every estimator built on one."""

import math

import numpy as np
from scipy.special import digamma


def log_det_bias(dim: int, freedom: int) -> float:
    """Return E ln det S − ln det Σ of S = W/ν, W Wishart: Σ_i ψ((ν + 1 − i)/2) + D ln(2/ν) (Anderson 2003, 7.5)."""
    return float(digamma((freedom + 1 - np.arange(1, dim + 1)) / 2).sum()) + dim * math.log(2 / freedom)


def mi_bias(d_x: int, d_y: int, freedom: int) -> float:
    """Return the bias in nats of the plug-in Gaussian MI at a covariance of that many degrees of freedom; exact.

    It does not depend on Σ: ln det S − ln det Σ has the same law for all.
    """
    return (log_det_bias(d_x, freedom) + log_det_bias(d_y, freedom) - log_det_bias(d_x + d_y, freedom)) / 2
