"""A toy run that is served; as a script it serves one until it is stopped, and prints the address."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import toy

from invdesign import CampaignRun
from invdesign.runs import latent_spaces

HOSTILE = "<script>document.title='taken'</script>"


@dataclass(frozen=True)
class HostileGrid(toy.Grid):
    """Points whose labels and drawings contain scripts, as names in a file of a stranger may."""

    def label(self, design: toy.Point) -> str:
        return f"{self.key(design)} {HOSTILE}"

    def describe(self, designs: Any) -> dict[str, list[Any]]:
        return {"point": [self.label(design) for design in designs]}

    def draw(self, design: toy.Point) -> str:
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 60"><script>parent.document.title="taken"</script>'
            f'<circle cx="{30 + design[0]}" cy="{30 + design[1]}" r="4"/></svg>'
        )


def toy_space(campaign: Any, *_: Any) -> Any:
    """Return the latent space of the grid in the place of a trained one."""
    return toy.RunSpace(campaign.domain)


def open_run(folder: Path) -> CampaignRun[Any, Any]:
    """Return the run of a campaign that is measured elsewhere, with an open batch of three designs."""
    run = CampaignRun.open(folder, toy.campaign(domain=HostileGrid(), n_seeds=3, batch=2, budget=20, name="served"))
    if not run.state.records:
        run.suggest()
        run.write_batch()
    return run


if __name__ == "__main__":
    from invdesign.serve import serve

    latent_spaces.prepare_latent_space = toy_space
    with open_run(Path(sys.argv[1])) as opened:
        serve(opened, port=0, announce=lambda address: print(address, flush=True))
