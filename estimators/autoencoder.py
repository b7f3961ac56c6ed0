"""Compression by autoencoders, to as many numbers as the rows that they have not seen ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from mibench.estimation import Shape
from mibench.seeding import derive_seed

from .checks import above, at_least, below, one_of
from .compression import Codes, Compression, Job, flat_rows
from .conv_autoencoder import StackedConvAutoencoder
from .principal_axes import centre
from .stack import torch_generators
from .stacked_autoencoder import StackedAutoencoder
from .standardise import is_image
from .training import Minibatches, Training, take, train

_AHEAD = 3  # latent dimensions that are tried beyond the last that was worth it
_SMALLEST = 4  # pixels a side, below which the image is a vector
_ROWS = 4_096  # encoded at once
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

    With `network` = 'conv', an image, (height, width) or (channels, height, width) of at least 4 × 4, is compressed
    and restored pixel by pixel by convolutions, and its unexplained share is that of the pixels; it begins at the same
    place. Other sides, and the search for the latent dimension, are left to MLPs.

    An autoencoder sees sides, never a pair, so that fitting it on the very rows that `base` is given leaks nothing
    about dependence. A share `held_out` of the rows says when to stop. The standard error is that of `base`, given
    the codes.
    """

    source: ClassVar[str] = "Butakov et al., ICLR 2024, section 4 (arXiv:2305.08013)"

    network: Literal["mlp", "conv"] = "mlp"
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
        one_of("mlp", "conv", network=self.network)
        at_least(1, batch=self.batch, hidden=min(self.hidden, default=1), search_steps=self.search_steps)
        at_least(1, max_steps=self.max_steps, check_every=self.check_every, patience=self.patience)
        above(0, learning_rate=self.learning_rate, held_out=self.held_out)
        at_least(0, averaging=self.averaging, tolerance=self.tolerance)
        below(1, averaging=self.averaging, held_out=self.held_out)

    def encode(self, jobs: Sequence[Job], device: str) -> list[Codes]:
        """Return the codes of jobs of equally many rows; those of the same networks are trained as one stack."""
        latents = [self.latent] * len(jobs) if self.latent else self._search(jobs)
        kinds = [(latent, self._image_shape(job)) for latent, job in zip(latents, jobs, strict=True)]
        found: dict[int, Codes] = {}
        for kind in sorted(set(kinds)):
            places = [place for place, own in enumerate(kinds) if own == kind]
            group = [jobs[place] for place in places]
            rows, network = self.begin(group, *kind, device)
            training = self._train(rows, network, [job.seed for job in group], self.max_steps)
            with torch.no_grad():
                codes = torch.cat([network.encode(part) for part in torch.split(rows, _ROWS, dim=1)], dim=1)
            for member, (place, job) in enumerate(zip(places, group, strict=True)):
                unexplained = training.best_loss[member] + (0 if kind[1] else job.lost)
                note = {"latent": kind[0], "unexplained": unexplained, **training.diagnostics(member)}
                found[place] = Codes(codes[member].double().cpu().numpy(), note)
        return [found[place] for place in range(len(jobs))]

    def _image_shape(self, job: Job) -> Shape:
        """Return the shape (channels, height, width) of what convolutions compress, () of what MLPs do."""
        if self.network == "mlp" or not is_image(job.shape, _SMALLEST):
            return ()
        return (1,) * (3 - len(job.shape)) + job.shape

    def begin(
        self, jobs: Sequence[Job], latent: int, shape: Shape, device: str
    ) -> tuple[Tensor, StackedAutoencoder | StackedConvAutoencoder]:
        """Return the rows (S, n, inputs) of jobs, and the autoencoders, yet to be trained, of images of this shape."""
        rows, generators = torch.stack([job.rows for job in jobs]), torch_generators([job.seed for job in jobs])
        leading = rows[..., :latent]
        spread = leading.std(dim=1, keepdim=True)
        if not shape:
            return rows, StackedAutoencoder(rows.shape[2], self.hidden, spread, generators).to(device)
        images = torch.stack([_images(job, device) for job in jobs])
        axes = (leading / torch.where(spread > 0, spread, 1)).mT @ images / (rows.shape[1] - 1)
        return images, StackedConvAutoencoder(shape, self.hidden, axes, generators).to(device)

    def _search(self, jobs: Sequence[Job]) -> list[int]:
        """Return the latent dimension that each job asks for, by MLPs of its principal axes."""
        errors: list[list[float]] = [[1.0] for _ in jobs]
        for latent in range(1, jobs[0].rows.shape[1] + 1):
            asking = [place for place, own in enumerate(errors) if self._goes_on(own)]
            if not asking:
                break
            rows, network = self.begin([jobs[place] for place in asking], latent, (), str(jobs[0].rows.device))
            training = self._train(rows, network, [jobs[place].seed for place in asking], self.search_steps)
            for place, error in zip(asking, training.best_loss, strict=True):
                errors[place].append(min(error, errors[place][-1]))
        return [max(1, min(last_worth(own, self.gain), job.width)) for own, job in zip(errors, jobs, strict=True)]

    def _goes_on(self, errors: Sequence[float]) -> bool:
        """Return whether one more number, or a few, could be worth it."""
        return errors[-1] >= self.gain and len(errors) - last_worth(errors, self.gain) <= _AHEAD

    def _train(
        self,
        rows: Tensor,
        network: StackedAutoencoder | StackedConvAutoencoder,
        seeds: Sequence[int],
        max_steps: int,
    ) -> Training:
        """Train one autoencoder for each of rows (S, n, inputs), all as one stack."""
        n, device = rows.shape[1], str(rows.device)
        held_out = round(n * self.held_out) or 1
        orders = np.stack([np.random.default_rng(derive_seed(seed, "held out")).permutation(n) for seed in seeds])
        order = torch.as_tensor(orders, device=device)
        validation, fitted = take(rows, order[:, :held_out]), order[:, held_out:]
        batches = Minibatches(n - held_out, self.batch, seeds, device)
        return train(
            list(network.parameters()),
            lambda: network.loss(take(rows, fitted.gather(1, batches()))),
            lambda: network.loss(validation).clamp(min=self.remainder),
            learning_rate=network.pace * self.learning_rate,
            max_steps=max_steps,
            check_every=self.check_every,
            patience=self.patience,
            averaging=self.averaging,
            tolerance=self.tolerance,
        )


def _images(job: Job, device: str) -> Tensor:
    """Return a job's images (n, C·H·W), centred, of unit mean variance."""
    pixels = centre(flat_rows(job.sides, device))
    scale = pixels.square().mean().sqrt()
    return pixels / torch.where(scale > 0, scale, 1)


def last_worth(errors: Sequence[float], gain: float) -> int:
    """Return the last latent dimension that is worth it, by the errors of 0, 1, 2, ... as shares of the variance.

    It must explain a share `gain` of the variance, and two thirds of what was unexplained, if that was a tenth or less.
    """
    steps = enumerate(pairwise(errors), start=1)
    return max((k for k, (old, new) in steps if old - new >= gain and (old > _MUCH or new < old / 3)), default=0)
