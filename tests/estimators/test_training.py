"""The loop that trains a stack: each member's path, stop and best weights are its own."""

import contextlib
import math

import numpy as np
import pytest
import torch
from torch import nn

from mibench.estimators.training import Minibatches, one_thread, take, train

NAN = math.nan
SETTINGS = {"learning_rate": 0.05, "max_steps": 1000, "check_every": 10, "patience": 2}


class Stack:
    """Members w (R, 3) that descend to targets by quadratic losses; `script` (R, checks) gives validation losses."""

    def __init__(self, targets, script=None, broken=-1):
        self.targets = torch.as_tensor(targets, dtype=torch.float32)[:, None] * torch.tensor([1.0, -1.0, 0.5])
        self.members = torch.arange(len(self.targets))
        self.weight = nn.Parameter(torch.zeros_like(self.targets))
        self.script, self.broken = script, broken
        self.steps = self.checks = 0
        self.path, self.seen, self.sizes = [], [], []

    def distance(self):
        return (self.weight - self.targets[self.members]).square().sum(dim=1)

    def loss(self):
        self.steps += 1
        self.path.append(self.weight.detach().clone())
        self.sizes.append(len(self.weight))
        factor = NAN if self.steps == 15 else 1.0
        return self.distance() * torch.where(self.members == self.broken, factor, 1.0)

    def validate(self):
        weights = torch.full_like(self.targets, NAN)
        weights[self.members] = self.weight.detach()
        self.seen.append(weights)
        self.checks += 1
        if self.script is None:
            return self.distance()
        return torch.tensor([self.script[member][self.checks - 1] for member in self.members.tolist()])

    def keep(self, places):
        self.members = self.members[places]

    def train(self, keep=True, **changes):
        return train(
            [self.weight], self.loss, self.validate, keep=self.keep if keep else None, **{**SETTINGS, **changes}
        )


SCRIPT = [
    [5, 4, 3, 2, 3, 3, 0, 0, 0, 0],  # best at check 3, stops at 5 and is not asked again
    [5, 6, 7, 0, 0, 0, 0, 0, 0, 0],  # never improves
    [5, 4, 3, 2, 1, 0.5, 0.4, 0.3, 0.2, 0.1],  # goes on to the end
    [5, 4, NAN, NAN, 0, 0, 0, 0, 0, 0],  # diverges
    [math.inf, 4, 4, 3, 9, NAN, 0, 0, 0, 0],  # begins as diverged
    [-1, -2, -2, -3, -3, -2, -9, -9, -9, -9],
]


@pytest.mark.parametrize("keep", [True, False])
def test_each_member_stops_by_itself_with_its_best_weights(keep):
    stack = Stack([1, 2, 3, 4, 5, 6], SCRIPT)
    found = stack.train(keep, max_steps=90)
    assert found.best_step == [30, 0, 90, 10, 30, 30]
    assert found.steps == [50, 20, 90, 30, 50, 50]
    assert found.best_loss == pytest.approx([2, 5, 0.1, 4, 3, -3])
    assert found.converged == [True, True, False, True, True, True]
    for member, step in enumerate(found.best_step):
        assert torch.equal(stack.weight[member], stack.seen[step // 10][member])
    assert not stack.weight[1].any()
    assert found.diagnostics(3) == {"steps": 30, "best_step": 10, "validation_loss": 4.0, "converged": True}


def test_the_stack_is_compacted_when_members_stop():
    stack = Stack([1, 2, 3, 4, 5, 6], SCRIPT)
    stack.train(max_steps=90)
    assert stack.sizes == [6] * 20 + [5] * 10 + [4] * 20 + [1] * 40
    assert stack.members.tolist() == [2]
    assert stack.weight.shape == (6, 3)
    whole = Stack([1, 2, 3, 4, 5, 6], SCRIPT)
    whole.train(keep=False, max_steps=90)
    assert whole.sizes == [6] * 90


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_compaction_does_not_change_what_is_found(averaging):
    targets = [0.0, 0.05, 0.2, 0.7, 1.5, 4.0, 0.1, 9.0]
    kept, whole = Stack(targets), Stack(targets)
    found, expected = (
        stack.train(keep, averaging=averaging, tolerance=1e-3) for stack, keep in ((kept, True), (whole, False))
    )
    assert {8, 4, 2, 1} <= set(kept.sizes)
    assert len(set(found.steps)) >= 4
    assert (found.steps, found.best_step, found.converged) == (
        expected.steps,
        expected.best_step,
        expected.converged,
    )
    assert found.best_loss == pytest.approx(expected.best_loss, abs=1e-6)
    assert torch.allclose(kept.weight, whole.weight, atol=1e-6)
    assert torch.allclose(kept.weight, kept.targets, atol=0.1)


@pytest.mark.parametrize("keep", [True, False])
def test_a_diverged_member_does_not_disturb_the_others(keep):
    targets = [1.0, 2.0, 0.1, 0.5]
    broken, sound = Stack(targets, broken=1), Stack([targets[0], *targets[2:]])
    found, expected = broken.train(keep), sound.train(keep)
    others = [0, 2, 3]
    assert [found.steps[member] for member in others] == expected.steps
    assert [found.best_step[member] for member in others] == expected.best_step
    assert torch.allclose(broken.weight[others], sound.weight, atol=1e-6)
    assert found.best_step[1] == 10
    assert found.steps[1] == 30
    assert torch.equal(broken.weight[1], broken.seen[1][1])
    assert broken.weight.isfinite().all()


@pytest.mark.parametrize("averaging", [0.0, 0.5, 0.95])
def test_what_is_validated_and_kept_is_the_moving_average(averaging):
    stack = Stack([1.0, -3.0])
    stack.train(averaging=averaging, max_steps=45, patience=100)
    average, averages = stack.path[0], [stack.path[0]]
    for step, weight in enumerate(stack.path[1:], start=1):
        average = average + max(1 - averaging, 1 / step) * (weight - average)
        averages.append(average)
    for check in range(5):  # the fifth, after the last step, is that of a weight the path does not hold
        assert torch.allclose(stack.seen[check], averages[10 * check], atol=1e-6)
    assert len(stack.seen) == 6
    assert torch.equal(stack.weight, stack.seen[5])


def test_the_path_is_that_of_adam():
    stack = Stack([1.0, -3.0])
    stack.train(max_steps=25, averaging=0.9)
    for member, target in enumerate(stack.targets):
        weight = nn.Parameter(torch.zeros(3))
        optimiser = torch.optim.Adam([weight], lr=0.05)
        for seen in stack.path:
            assert torch.allclose(seen[member], weight, atol=1e-6)
            optimiser.zero_grad()
            (weight - target).square().sum().backward()
            optimiser.step()


@pytest.mark.parametrize(
    ("losses", "best", "steps"),
    [
        ([-1, -1.0006, -1.0009, -9], 20, 20),  # small gains are taken, but do not go on
        ([-1, -1.0006, -1.0012, -1.0018, -1.0019, -9], 40, 40),  # and count together
        ([2, 1.999, 1.9985, 9], 20, 20),
        ([2, 1.9979, 1.9978, 1.9977, 1], 30, 30),
        ([0, -1e-9, 0, 0, 0], 10, 30),
    ],
)
def test_training_goes_on_while_gains_exceed_the_tolerance(losses, best, steps):
    found = Stack([1.0], [losses]).train(tolerance=1e-3)
    assert (found.best_step, found.steps, found.converged) == ([best], [steps], [True])
    assert found.best_loss == pytest.approx([losses[best // 10]])


def test_the_last_step_is_validated():
    stack = Stack([1.0])
    found = stack.train(max_steps=23)
    assert (stack.steps, stack.checks) == (23, 4)
    assert (found.steps, found.best_step, found.converged) == ([23], [23], [False])


def test_weights_that_begin_at_the_answer_stay_there():
    found = (stack := Stack([0.0, 1.0])).train()
    assert found.best_step[0] == 0
    assert not stack.weight[0].any()
    assert found.best_step[1] > 0


@pytest.mark.parametrize("batch", [1, 3, 5, 12, 100])
def test_batches_are_drawn_without_replacement_within_an_epoch(batch):
    batches, size = Minibatches(12, batch, [1, 2, 3], "cpu"), min(batch, 12)
    orders = []
    for _ in range(3):
        epoch = [batches() for _ in range(12 // size)]
        assert all(chosen.shape == (3, size) for chosen in epoch)
        whole = torch.cat(epoch, dim=1)
        assert all(len(set(rows)) == whole.shape[1] <= 12 for rows in whole.tolist())
        assert 0 <= int(whole.min()) <= int(whole.max()) < 12
        orders += whole.tolist()
    assert len(set(map(tuple, orders))) == 9


@pytest.mark.parametrize("after", [0, 1, 4])
def test_members_that_are_kept_go_on_with_their_own_batches(after):
    stacked, alone = Minibatches(10, 4, [1, 2, 3], "cpu"), [Minibatches(10, 4, [seed], "cpu") for seed in (1, 2, 3)]
    for _ in range(after):
        assert torch.equal(stacked(), torch.cat([each() for each in alone]))
    stacked.keep(torch.tensor([0, 2]))
    for _ in range(5):
        assert torch.equal(stacked(), torch.cat([alone[0](), alone[2]()]))
    stacked.keep(torch.tensor([1]))
    for _ in range(5):
        assert torch.equal(stacked(), alone[2]())


def test_every_row_is_drawn_as_often():
    batches = Minibatches(10, 3, [5], "cpu")
    counts = np.bincount(torch.cat([batches() for _ in range(3000)], dim=1)[0], minlength=10)
    assert counts == pytest.approx(np.full(10, 900), abs=60)


def test_take_picks_rows_of_each_member():
    rows, index = torch.randn(2, 7, 3, 4), torch.tensor([[6, 0, 0], [1, 2, 5]])
    expected = torch.stack([rows[member][index[member]] for member in range(2)])
    assert torch.equal(take(rows, index), expected)
    assert torch.equal(take(rows[..., 0, 0], index), expected[..., 0, 0])


def test_the_number_of_threads_comes_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            inside = torch.get_num_threads()
        with contextlib.suppress(ZeroDivisionError), one_thread():
            raise ZeroDivisionError
        assert (inside, torch.get_num_threads()) == (1, 2)
    finally:
        torch.set_num_threads(before)
