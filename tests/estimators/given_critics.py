"""Critics of given scores, and the largest gradients that networks see: what tests of bounds and densities share."""

import torch

from mibench.estimators.training import train


class Given:
    """A critic T(x, y), or a density ln q(y | x), that is a function of rows of one coordinate."""

    def __init__(self, function):
        self.function = function

    def embed(self, x, y):
        return x, y

    def __call__(self, left, right):
        return self.function(left[..., 0].double(), right[..., 0].double())


def largest_gradients(network, loss):
    """Return {name: (R,)}, the largest gradient of a member's part of each parameter over 20 steps of training."""
    most = {name: torch.zeros(len(parameter)) for name, parameter in network.named_parameters()}

    def watched():  # as validation, which comes between the gradient and the next step
        for name, parameter in network.named_parameters():
            if parameter.grad is not None:
                most[name] = torch.maximum(most[name], parameter.grad.flatten(1).abs().amax(dim=1))
        return loss()

    parameters = list(network.parameters())
    train(parameters, loss, watched, learning_rate=1e-2, max_steps=20, check_every=1, patience=99)
    return most
