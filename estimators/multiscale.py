"""Multi-scale flows of images in principal axes: fine axes are told from coarse ones and leave, scale by scale."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .couplings import Layout, move_given
from .flow_method import first_logits
from .flows import StackedFlow
from .stack import StackedMLP, silu

_PACE = 10.0  # of log-scales, which go from 0 to that of the noise


class Scale(nn.Module):
    """One affine coupling each way between the first `kept` coordinates of (R, dim, B), the coarse ones, and the rest.

    The fine ones then have a scale each: what is left of them is mostly noise, many times less than they began with.
    """

    def __init__(self, dim: int, kept: int, hidden: Sequence[int], generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.kept = kept

        def network(inputs: int, moved: int) -> StackedMLP:
            return StackedMLP([inputs, *hidden, 2 * moved], generators, zero_last=True, activation=silu)

        self.up, self.down = network(dim - kept, kept), network(kept, dim - kept)
        self.log_scale = nn.Parameter(torch.zeros(len(generators), dim - kept, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the coarse and the fine coordinates, and ln|det J| (R, B)."""
        coarse, fine = x[:, : self.kept], x[:, self.kept :]
        coarse, change_coarse = move_given(fine, coarse, self.up, bends=False)
        fine, change_fine = move_given(coarse, fine, self.down, bends=False)
        log_scale = _PACE * self.log_scale
        return coarse, fine * log_scale.exp(), change_coarse.sum(dim=1) + (change_fine + log_scale).sum(dim=1)


class MultiscaleFlow(nn.Module):
    """Rows (R, B, m), from the largest scale to the least, → codes (R, B, coarse), and what they leave of ln p(row).

    At each scale the finer half of the coordinates leaves, as standard normals that nothing depends on, until `coarse`
    are left, which a `StackedFlow` codes. The second output (R, B) is ln|det J| of all layers together and the
    log-density of the coordinates that left, less a constant, so that it does for these codes what ln|det J| alone
    does for those of a flow that leaves nothing.
    """

    def __init__(
        self,
        fit: Tensor,
        stop: Tensor,
        coarse: int,
        layout: Layout,
        marginals: bool,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        scales, dim = [], fit.shape[2]
        while dim > coarse:
            kept = max(coarse, dim // 2)
            scales.append(Scale(dim, kept, layout.hidden, generators))
            dim = kept
        self.scales = nn.ModuleList(scales)
        logits = first_logits(fit[..., :dim], stop[..., :dim], layout.bins, marginals)
        self.flow = StackedFlow(logits, layout, generators)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes, and what they leave of the log-density."""
        coarse, change = x.mT, x.new_zeros(x.shape[:2])
        for scale in self.scales:
            coarse, fine, log_det = scale(coarse)
            change = change + log_det - fine.square().sum(dim=1) / 2
        codes, log_det = self.flow(coarse.mT)
        return codes, change + log_det
