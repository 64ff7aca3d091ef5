"""Training of a tiny model, started by torchrun: `train_together.py FOLDER [KILLED]`.

The process of rank KILLED ends itself in the middle of its first life.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch

from invdesign.vae.models.sequence import SequenceVAE
from invdesign.vae.processes import join_processes
from invdesign.vae.training import Recipe, train


def make_batch() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    batch = torch.randint(3, 7, (401, 6), generator=generator)
    batch[:, 5] = 1
    return batch


def main(folder: Path, killed: int | None) -> None:
    processes = join_processes()
    torch.manual_seed(0)
    vae = SequenceVAE(7, 6, d=8, embedding=16, width=16, prior="flow")
    build: Any = partial(SequenceVAE)
    recipe = Recipe(build=build, epochs=8, batch=40, learning_rate=5e-3, warmup=5, held_out=40, target_rate=4.0)
    mark = folder / "killed"

    def end_once(stage: str, done: int, total: int) -> None:
        if processes.rank == killed and done == 45 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    # A checkpoint after every step.
    recipe = Recipe(**{**vars(recipe), "checkpoint_minutes": 0.0, "device": "cpu"})
    training = train(vae, make_batch(), recipe, checkpoint=folder / "checkpoint.safetensors", progress=end_once)
    if processes.rank == 0:
        losses = [validation.loss for validation in training.validations]
        total = sum(float(value.double().sum()) for value in vae.state_dict().values())
        (folder / "result.json").write_text(json.dumps({"losses": losses, "sum": total, "count": processes.count}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
