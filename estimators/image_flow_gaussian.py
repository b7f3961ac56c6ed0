"""MIENF of images as they are, with noise on their pixels: multi-scale flows whose coarsest codes are Gaussian."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mibench.estimation import Array, Estimate, Shape
from mibench.seeding import derive_seed

from .checks import above, at_least
from .columns import varying
from .flow_gaussian import FlowGaussian
from .flow_method import Parts, Trainee
from .gaussian_heads import Codes, gaussian_pointwise
from .multiscale import MultiscaleFlow
from .paired_flow import HeadKind, PairedFlow
from .principal_axes import principal_components
from .same_law import same_law
from .stack import torch_generators
from .training import take

CHUNK = 2048  # rows whose gradients are taken at a time


@dataclass(frozen=True)
class ImageFlowGaussian(FlowGaussian):
    """I(X + εZ; Y + εZ') in nats, as `flow_gaussian` has it, of images of pixels with standard normal noise Z, Z'.

    Noiseless images lie on a surface of few dimensions, where the likelihood of a flow has no bound. ε is the share
    `noise` of the root mean square of the pixels about their means. It can only lower the MI; to first order by
    ½ ε² E‖∇ ln p(x, y) / p(x) p(y)‖² (de Bruijn's identity), which the flows tell: diagnostics state it as
    `noise_cost`, and the answer does not make up for it. It is exact for Gaussian codes and small noise, and too high
    where codes are far from Gaussian. Training rows have new noise in each minibatch.

    The flow of an image begins at its principal axes, but for those in which noise is more than half of the variance,
    rounded up to `coarse` times a power of two; at most `axes` are taken. At each scale the finer half of them is told
    from the coarser one by an affine coupling, and the reverse, and leaves as noise that nothing depends on, until
    `coarse` codes are left for couplings, splines and the Gaussian. A side that is no image keeps its coordinates, has
    no noise, and a flow as in `flow_gaussian`.

    Until the surface is flat, several codes hold the same latent, and the answer is too high: `residual` and `kurtosis`
    may say so. `ae(flow_gaussian())` is faster, and nearer to the truth where a code of few numbers does.
    """

    source: ClassVar[str] = "Butakov et al., NeurIPS 2024, section 5 (arXiv:2403.02187); Kingma and Dhariwal 2018"

    hidden: tuple[int, ...] = (64, 64)
    max_steps: int = 4_000
    patience: int = 15
    noise: float = 0.05
    coarse: int = 4
    axes: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        above(0, noise=self.noise)
        at_least(2, coarse=self.coarse)
        at_least(self.coarse, axes=self.axes)

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Take an image at least on one side, and rows enough for the covariance of the codes."""
        if max(len(x_shape), len(y_shape)) < 2:
            return "no side is an image; use flow_gaussian()"
        codes = [(min(self.coarse, math.prod(shape)),) if len(shape) > 1 else shape for shape in (x_shape, y_shape)]
        return super().unsupported(n, *codes)

    def estimate_batch(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        """Return one estimate a replicate: 0 where a side is constant."""
        answers = [Estimate(0.0, 0.0)] * len(seeds)
        groups: dict[Any, list[tuple[int, Array, Array]]] = {}
        for place, pair in enumerate(zip(x, y, strict=True)):
            if all(np.ptp(side, axis=0).any() for side in pair):
                tied, left, right = self._axes(*pair, device)
                groups.setdefault((tied, left.shape, right.shape), []).append((place, left, right))
        for (tied, _, _), group in sorted(groups.items(), key=str):
            left, right = (np.stack([member[side] for member in group]) for side in (1, 2))
            found = self._estimate(left, right, [seeds[member[0]] for member in group], tied, device)
            for (place, *_), answer in zip(group, found, strict=True):
                answers[place] = answer
        return answers

    def _axes(self, x: Array, y: Array, device: str) -> tuple[bool, Array, Array]:
        """Return whether one flow of both sides may begin, and the sides as it takes them.

        An image becomes one of m × 1 pixels, its principal axes in units of the noise.
        """
        if x.shape == y.shape and self.tied is not False:
            both = self._reduce(np.concatenate([x, y]), device)
            left, right = np.split(both, 2)
            if self.tied or same_law(left[..., 0], right[..., 0]):
                return True, left, right
        left, right = (self._reduce(side, device) if side.ndim > 2 else varying(side) for side in (x, y))
        return False, left, right

    def _reduce(self, side: Array, device: str) -> Array:
        pixels = torch.as_tensor(side.reshape(len(side), -1), dtype=torch.float64, device=device)
        count = min(self.axes, pixels.shape[1])
        rows, _ = principal_components(pixels, count, 0.0)
        rows = rows * math.sqrt(pixels.shape[1] / count) / self.noise
        clear = max(1, int((rows.square().mean(dim=0) > 1).sum()))
        kept = self.coarse * 2 ** max(0, math.ceil(math.log2(clear / self.coarse)))
        return rows[:, :kept, None].cpu().numpy()

    def _trainee(
        self, x: Array, y: Array, seeds: Sequence[int], streams: Sequence[int], tied: bool, device: str
    ) -> Trainee[PairedFlow]:
        """Return multi-scale flows of noisy rows."""
        sides = self._in_order(x, y, seeds, device)
        fitted = self._split(x.shape[1])[0]
        noisy = [float(side.ndim > 3) for side in (x, y)]
        seen = [side[:, :fitted] for side in sides]
        if tied:
            seen = [torch.cat(seen, dim=1)] * 2
        clean, noise = [], []
        for side, own, level in zip(sides, seen, noisy, strict=True):
            scale = (own.var(dim=1, keepdim=True) + level).sqrt()
            scale = torch.where(scale > 0, scale, 1)
            clean.append((side - own.mean(dim=1, keepdim=True)) / scale)
            noise.append(level / scale)
        draw = Noise(noise, [derive_seed(stream, "noise") for stream in streams])
        parts = self._parted(draw(*clean))
        coarse = [self.coarse if level else side.shape[2] for side, level in zip(sides, noisy, strict=True)]
        pairs = max(math.comb(min(kept, side.shape[2]) + 1, 2) for side, kept in zip(sides, coarse, strict=True))
        layout, generators = self._layout(fitted, pairs), torch_generators(streams)

        def flow(fit: Tensor, stop: Tensor, side: int) -> MultiscaleFlow:
            return MultiscaleFlow(fit, stop, coarse[side], layout, self.marginals, generators)

        flows = PairedFlow(flow, parts, HeadKind(self.head, self.start), tied).to(device)
        return NoisyTrainee(flows, self.batch, parts, self._parted(clean).fit, draw)


class Noise:
    """Normal noise of standard deviations `scales`, (M, 1, d) for each side, by one random stream a member."""

    def __init__(self, scales: Sequence[Tensor], seeds: Sequence[int]) -> None:
        self.scales = scales
        device = scales[0].device
        self.generators = [torch.Generator(device).manual_seed(seed % 2**63) for seed in seeds]

    def __call__(self, x: Tensor, y: Tensor) -> Codes:
        """Return the rows (M, n, d) of both sides with new noise."""
        left, right = (
            side + self._draw(side) * scale.to(side) for side, scale in zip((x, y), self.scales, strict=True)
        )
        return left, right

    def _draw(self, like: Tensor) -> Tensor:
        draws = [
            torch.randn(like.shape[1:], generator=g, dtype=like.dtype, device=like.device) for g in self.generators
        ]
        return torch.stack(draws)

    def keep(self, places: Tensor) -> None:
        """Go on with these members alone."""
        self.scales = [scale[places] for scale in self.scales]
        self.generators = [self.generators[place] for place in places.tolist()]


class NoisyTrainee(Trainee[PairedFlow]):
    """A stack of flows that learn from rows `clean`, with new noise each time."""

    def __init__(self, flows: PairedFlow, batch: int, parts: Parts, clean: Codes, noise: Noise) -> None:
        super().__init__(flows, batch, parts)
        self.clean, self.noise = clean, noise

    def begin(self, seeds: Sequence[int]) -> None:
        """Take all members, with new streams of batches and of noise."""
        super().begin(seeds)
        self.current = tuple(side.float() for side in self.clean)
        self.fresh = Noise(self.noise.scales, [derive_seed(seed, "noise") for seed in seeds])

    def draw(self, index: Tensor) -> Codes:
        """Return the rows of a minibatch."""
        x, y = (take(side, index) for side in self.current)
        return self.fresh(x, y)

    def keep(self, places: Tensor) -> None:
        """Go on with these members alone."""
        super().keep(places)
        self.current = tuple(side[places] for side in self.current)
        self.fresh.keep(places)

    def diagnostics(self, codes: Codes) -> list[dict[str, float]]:
        """Return what the noise costs, to first order."""
        costs = noise_cost(self.flows, self.parts.evaluation, codes, self.noise.scales)
        return [{"noise_cost": cost} for cost in costs.tolist()]


def noise_cost(flows: PairedFlow, pair: Codes, codes: Codes, noise: Sequence[Tensor]) -> Tensor:
    """Return ½ E Σ (σ_j ∂_j ln r)² (M,) over rows (M, n, d) of both sides, with σ the scales of their noise.

    r is the density ratio of the Gaussian of `codes` of the rows.
    """
    rows, total = pair[0].shape[1], torch.zeros(len(pair[0]), dtype=torch.float64, device=pair[0].device)
    for piece in zip(*(torch.split(side, CHUNK, dim=1) for side in pair), strict=True):
        inputs = tuple(side.detach().requires_grad_() for side in piece)
        found, _ = flows(inputs)
        slopes = torch.autograd.grad(gaussian_pointwise(found, codes).sum(), inputs)
        for slope, scale in zip(slopes, noise, strict=True):
            total += (slope * scale).square().sum(dim=(1, 2)) / (2 * rows)
    return total
