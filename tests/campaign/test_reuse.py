"""What a round leaves for the next one: inputs and a surrogate that grow, without an effect on results."""

from dataclasses import replace

import numpy as np
import torch
import toy
from toy import Grid, GridEncoding, GridSpace, campaign

from invdesign.campaign import ask, make_engine, run
from invdesign.campaign.reuse import GrowingInputs
from invdesign.execution.in_process import InProcess

KEYS = [f"design {i}" for i in range(200)]
Z = torch.randn(200, 2, dtype=torch.float64)
F = torch.arange(600, dtype=torch.float64).reshape(200, 3)


class Features:
    """Features, and from which designs on they were computed."""

    def __init__(self):
        self.starts = []

    def __call__(self, start, stop):
        self.starts.append(start)
        return F[start:stop]


def inputs(growing, n, latents=Z):
    features = Features()
    return growing.of(KEYS[:n], latents[:n], features), features.starts


def test_only_new_rows_are_computed():
    growing = GrowingInputs()
    first, _ = inputs(growing, 10)
    second, starts = inputs(growing, 150)
    third, _ = inputs(growing, 200)
    assert starts == [10]
    assert torch.equal(third, torch.cat([Z, F], 1))
    assert torch.equal(first, third[:10]) and torch.equal(second, third[:150])
    assert second.data_ptr() == third.data_ptr()


def test_other_latents_replace_the_rows_and_leave_returned_ones_alone():
    growing = GrowingInputs()
    old, _ = inputs(growing, 50)
    kept = old.clone()
    moved = Z.clone()
    moved[20] += 1
    new, starts = inputs(growing, 50, moved)
    assert starts == [20]
    assert torch.equal(new, torch.cat([moved, F], 1)[:50]) and torch.equal(old, kept)


def test_a_shorter_history_does_not_overwrite_a_longer_one():
    growing = GrowingInputs()
    long, _ = inputs(growing, 60)
    kept = long.clone()
    short, _ = inputs(growing, 40)
    inputs(growing, 45, Z + 1)
    assert torch.equal(long, kept) and torch.equal(short, kept[:40])


class CountEncoding(GridEncoding):
    """The encoding of the grid, with the coordinates as counts."""

    def features(self, designs):
        return np.clip(np.array(designs, dtype=float) + 40, 0, None)


def test_an_engine_that_ran_selects_what_a_new_one_selects():
    parts = campaign()
    larger = replace(parts, limits=replace(parts.limits, budget=parts.limits.budget + 4))
    space = GridSpace(Grid(), encoding=CountEncoding())
    used = make_engine(parts, space)
    state = run(used, toy.begun(used), executor=InProcess)
    assert used.reuse.model is not None
    again, fresh = replace(used, campaign=larger), make_engine(larger, space)
    batches = [ask(engine, state, n=4).candidates for engine in (again, fresh)]
    assert [(c.key, c.mean, c.sd, c.acquisition) for c in batches[0]] == [
        (c.key, c.mean, c.sd, c.acquisition) for c in batches[1]
    ]
    assert fresh.reuse.model.kernel is not again.reuse.model.kernel
