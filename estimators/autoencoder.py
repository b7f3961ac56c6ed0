"""Compression by autoencoders, to as many numbers as the rows that they have not seen ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mibench.seeding import derive_seed

from .checks import above, at_least, below
from .compression import Codes, Compression, Job
from .stack import StackedMLP, silu, torch_generators
from .training import Minibatches, Training, take, train

_AHEAD = 3  # latent dimensions that are tried beyond the last that was worth it
_MUCH = 0.1  # unexplained share of the variance, above which every number that explains enough is worth it


@dataclass(frozen=True)
class Autoencoder(Compression):
    """I(X; Y) ≈ I(E_X(X); E_Y(Y)) in nats: the encoders E of two autoencoders, and `base` on their codes.

    By the data-processing inequality a lossy code can only lose MI, and no bound on the loss follows from a
    reconstruction error alone, so that a code must have the dimension of the manifold that the data lie on. With
    `latent` = None it is found: autoencoders of 1, 2, ... numbers are trained for `search_steps`, and a code has as
    many as are worth it: the last one explains a share `gain` of the variance of held-out rows, and two thirds of what
    was unexplained before it, if that was a tenth or less. Diagnostics hold each side's latent, and its unexplained
    share of the variance, of which a message warns above 5 %.

    Principal axes (see `components`, `remainder`) are compressed by an MLP through `hidden` SiLU layers, and restored
    by the mirrored one, in least squares. Both begin at principal component analysis, the best linear autoencoder, and
    learn what to add to it: this keeps them clear of folded codes, where many rows share a code, and keeps the codes
    near to linear functions of the data. Where both sides have as many numbers, and no test tells their laws apart,
    one autoencoder of both is trained on twice the rows (`tied` = None; True and False decide it).

    An autoencoder sees sides, never a pair, so that fitting it on the very rows that `base` is given leaks nothing
    about dependence. A share `held_out` of the rows says when to stop. The standard error is that of `base`, given
    the codes.
    """

    source: ClassVar[str] = "Butakov et al., ICLR 2024, section 4 (arXiv:2305.08013)"

    hidden: tuple[int, ...] = (128, 128)
    batch: int = 128
    learning_rate: float = 1e-2
    averaging: float = 0.98
    max_steps: int = 4_000
    search_steps: int = 500
    check_every: int = 50
    patience: int = 6
    tolerance: float = 1e-2
    held_out: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, batch=self.batch, hidden=min(self.hidden, default=1), search_steps=self.search_steps)
        at_least(1, max_steps=self.max_steps, check_every=self.check_every, patience=self.patience)
        above(0, learning_rate=self.learning_rate, held_out=self.held_out)
        at_least(0, averaging=self.averaging, tolerance=self.tolerance)
        below(1, averaging=self.averaging, held_out=self.held_out)

    def encode(self, jobs: Sequence[Job], device: str) -> list[Codes]:
        """Return the codes of jobs of equally many rows; those of one latent dimension are trained as one stack."""
        rows, seeds = torch.stack([job.rows for job in jobs]), [job.seed for job in jobs]
        latents = [self.latent] * len(jobs) if self.latent else self._search(rows, [job.width for job in jobs], seeds)
        found: dict[int, Codes] = {}
        for latent in sorted(set(latents)):
            places = [place for place, own in enumerate(latents) if own == latent]
            network, training = self._train(rows[places], latent, [seeds[place] for place in places], self.max_steps)
            with torch.no_grad():
                codes = network.encode(rows[places]).double().cpu().numpy()
            for member, place in enumerate(places):
                unexplained = training.best_loss[member] + jobs[place].lost
                note = {"latent": latent, "unexplained": unexplained, **training.diagnostics(member)}
                found[place] = Codes(codes[member], note)
        return [found[place] for place in range(len(jobs))]

    def _search(self, rows: Tensor, widths: Sequence[int], seeds: Sequence[int]) -> list[int]:
        """Return the latent dimension that each of rows (S, n, components) asks for."""
        errors: list[list[float]] = [[1.0] for _ in seeds]
        for latent in range(1, rows.shape[2] + 1):
            asking = [place for place, own in enumerate(errors) if self._goes_on(own)]
            if not asking:
                break
            _, training = self._train(rows[asking], latent, [seeds[place] for place in asking], self.search_steps)
            for place, error in zip(asking, training.best_loss, strict=True):
                errors[place].append(min(error, errors[place][-1]))
        return [max(1, min(last_worth(own, self.gain), width)) for own, width in zip(errors, widths, strict=True)]

    def _goes_on(self, errors: Sequence[float]) -> bool:
        """Return whether one more number, or a few, could be worth it."""
        return errors[-1] >= self.gain and len(errors) - last_worth(errors, self.gain) <= _AHEAD

    def _train(
        self, rows: Tensor, latent: int, seeds: Sequence[int], max_steps: int
    ) -> tuple["StackedAutoencoder", Training]:
        """Train one autoencoder for each of rows (S, n, components), all as one stack."""
        n, device = rows.shape[1], str(rows.device)
        held_out = round(n * self.held_out) or 1
        orders = np.stack([np.random.default_rng(derive_seed(seed, "held out")).permutation(n) for seed in seeds])
        shuffled = take(rows, torch.as_tensor(orders, device=device))
        validation, fitted = shuffled[:, :held_out], shuffled[:, held_out:].contiguous()
        spread = rows[..., :latent].std(dim=1, keepdim=True)
        network = StackedAutoencoder(rows.shape[2], self.hidden, spread, torch_generators(seeds)).to(device)
        batches = Minibatches(n - held_out, self.batch, seeds, device)
        training = train(
            list(network.parameters()),
            lambda: network.loss(take(fitted, batches())),
            lambda: network.loss(validation).clamp(min=self.remainder),
            learning_rate=self.learning_rate,
            max_steps=max_steps,
            check_every=self.check_every,
            patience=self.patience,
            averaging=self.averaging,
            tolerance=self.tolerance,
        )
        return network, training


class StackedAutoencoder(nn.Module):
    """S autoencoders of rows (S, n, inputs) in principal axes, that begin at the first few coordinates themselves.

    `spread` (S, 1, latent) is the standard deviation of those coordinates, which codes have divided out.
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], spread: Tensor, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        self.latent = spread.shape[-1]
        self.spread = torch.where(spread > 0, spread, 1)
        sizes = [inputs, *hidden, self.latent]
        self.encoder = StackedMLP(sizes, generators, zero_last=True, activation=silu)
        self.decoder = StackedMLP(sizes[::-1], generators, zero_last=True, activation=silu)

    def encode(self, rows: Tensor) -> Tensor:
        """Return the codes (S, n, latent)."""
        correction: Tensor = self.encoder(rows)
        return rows[..., : self.latent] / self.spread + correction

    def decode(self, codes: Tensor) -> Tensor:
        """Return the rows (S, n, inputs) that have these codes."""
        rows: Tensor = self.decoder(codes).clone()
        rows[..., : self.latent] += codes * self.spread
        return rows

    def loss(self, rows: Tensor) -> Tensor:
        """Return the mean square error (S,), which is the unexplained share of variance where rows have unit scale."""
        return (self.decode(self.encode(rows)) - rows).square().mean(dim=(1, 2))


def last_worth(errors: Sequence[float], gain: float) -> int:
    """Return the last latent dimension that is worth it, by the errors of 0, 1, 2, ... as shares of the variance.

    It must explain a share `gain` of the variance, and two thirds of what was unexplained, if that was a tenth or less.
    """
    steps = enumerate(pairwise(errors), start=1)
    return max((k for k, (old, new) in steps if old - new >= gain and (old > _MUCH or new < old / 3)), default=0)
