"""Processes that train one model together: started by torchrun, each on its own core or GPU."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

TIMEOUT = timedelta(hours=12)
"""Time that a process waits for the others, e.g. while the first one measures a trained model."""


@dataclass(frozen=True)
class Processes:
    """The processes that train a model together; by default this one alone.

    Each takes a part of every batch, and the gradients are added up, so that every step is that of one process with
    the whole batch, except for the noise.
    """

    rank: int = 0
    """Number of this process; the first one, 0, writes files and reports."""
    count: int = 1
    """Number of processes."""

    def part(self, rows: Tensor) -> Tensor:
        """Return the rows of a batch that this process works on."""
        return rows[self.rank :: self.count]

    def add(self, values: Tensor) -> Tensor:
        """Return the sum of the values of all processes."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def agree(self, value: bool) -> bool:
        """Return whether a statement holds in all processes."""
        return int(self.add(torch.tensor(int(value)))) == self.count

    def wait(self) -> None:
        """Wait until all processes have come here."""
        self.agree(True)

    def seed_step(self, seed: int, step: int) -> None:
        """Give every process but the first noise of its own in a step, which follows from the seed and the step."""
        if self.rank:
            torch.manual_seed(hash((seed, step, self.rank)))

    def copy_from_first(self, model: nn.Module) -> None:
        """Give a model the parameters that it has in the first process."""
        if self.count > 1:
            for value in model.state_dict().values():
                dist.broadcast(value, 0)

    def add_gradients(self, parameters: Iterable[nn.Parameter], numbers: Tensor) -> Tensor:
        """Add the gradients of all processes up, in place, and return the sum of some numbers beside them."""
        if self.count == 1:
            return numbers
        known = list(parameters)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in known]
        total = self.add(torch.cat([numbers, *(g.flatten() for g in gradients)]))
        summed = total[len(numbers) :].split([p.numel() for p in known])
        for parameter, gradient in zip(known, summed, strict=True):
            parameter.grad = gradient.view_as(parameter)
        return total[: len(numbers)]


def current_processes() -> Processes:
    """Return the processes that this one has joined; this one alone where there are none."""
    if dist.is_available() and dist.is_initialized():
        return Processes(dist.get_rank(), dist.get_world_size())
    return Processes()


def join_processes() -> Processes:
    """Join the processes of torchrun, which train together from then on; without torchrun this process stays alone.

    They speak by gloo between CPUs and by NCCL between GPUs.
    """
    if dist.is_available() and dist.is_torchelastic_launched() and not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(local_rank())
        store, rank, count = next(rendezvous("env://"))
        # The store outlives a restart by torchrun, and with it the addresses of processes that ended.
        store = PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=TIMEOUT)
        atexit.register(dist.destroy_process_group)
    return current_processes()


def local_rank() -> int:
    """Return the number of this process on its machine, which is that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))
