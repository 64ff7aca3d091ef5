"""The crystal VAE: a graph of orbits to one latent, and a decoder that can only write symmetric crystals."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal

from invdesign.core import InvdesignError
from invdesign.domains.crystals.model.descriptor_tables import element_table, group_table, site_table
from invdesign.domains.crystals.model.encoding import Vocabulary
from invdesign.domains.crystals.model.layers import (
    N_BINS,
    WAVES,
    binned_log_likelihood,
    binned_mode,
    fourier_features,
    mlp,
    perturb,
)
from invdesign.vae.base import VAE


class CrystalVAE(VAE):
    """Crystals of any space group as a header (group, cell) and orbits (site, element, free coordinates) in order.

    Part of the latent is a sum: every orbit adds a vector, and the decoder, which knows what it has written, takes that
    away and reads what is left to say (as `SequenceVAE` does with tokens). The rest comes from message passing on the
    crystal graph of orbits, pooled by multiplicity: it is smooth in the structure, and the property head reads it.

    The decoder writes the group, the free parameters of its cell, and orbits: a site of that group in the order of the
    letters (one without freedom once), an element, free coordinates, until it stops. Numbers are a bin and a place
    within it. Nothing it writes can break the symmetry, and the same latent always gives the same crystal.

    In training free coordinates, cells and elements are changed at random in what is read and written alike: a few
    thousand crystals would be learnt by heart, and the decoder has to say any number.

    Args:
        vocabulary: groups, sites and elements.
        elements: `n_elements x p` properties of the vocabulary's elements, standardized.
        d: latent dimensions.
        n_graph: those of them that come from the graph.
        embedding: width of what is written.
        width: hidden units.
        layers: of message passing.
        cutoff: largest distance (angstrom) that the radial basis tells apart.
        n_properties: outputs of the property head; 0 for none.

    References:
        Xie et al., CDVAE, arXiv:2110.06197; Kazeev et al., WyckoffTransformer, arXiv:2503.02407; Joseph and Barron,
        Sparse Superposition Codes, arXiv:1006.3780.
    """

    group_facts: Tensor
    group_free: Tensor
    site_facts: Tensor
    site_group: Tensor
    site_free: Tensor
    site_share: Tensor
    element_facts: Tensor
    low: Tensor
    step: Tensor

    def __init__(
        self,
        vocabulary: Vocabulary,
        elements: Tensor,
        *,
        d: int = 64,
        n_graph: int = 16,
        embedding: int = 96,
        width: int = 192,
        layers: int = 3,
        cutoff: float = 6.0,
        n_properties: int = 0,
    ) -> None:
        super().__init__()
        if not 0 < n_graph < d:
            raise InvdesignError(f"crystal model: n_graph must lie between 0 and d={d}, got {n_graph}")
        self.layout, self.d, self.n_graph = vocabulary.layout, d, n_graph
        self.embedding, self.width, self.n_layers, self.cutoff = embedding, width, layers, cutoff
        self.n_properties = n_properties
        k, e, n_code = self.layout.n_orbits, embedding, d - n_graph
        groups, sites = group_table(vocabulary), site_table(vocabulary)
        constants = {
            "group_facts": groups.facts,
            "group_free": groups.is_free,
            "site_facts": sites.facts,
            "site_group": sites.group,
            "site_free": sites.n_free,
            "site_share": sites.multiplicity,
            "element_facts": F.pad(elements.float(), (0, 0, 1, 0)),
            "low": torch.tensor(vocabulary.low),
            "step": (torch.tensor(vocabulary.high) - torch.tensor(vocabulary.low)) / N_BINS,
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

        self.of_group = nn.Embedding(len(groups.facts), e)
        self.of_site = nn.Embedding(len(sites.facts), e)
        self.of_element = nn.Embedding(len(elements) + 1, e)
        self.group_from = nn.Linear(groups.facts.shape[1], e, bias=False)
        self.site_from = nn.Linear(sites.facts.shape[1], e, bias=False)
        self.element_from = nn.Linear(elements.shape[1], e, bias=False)
        for table in (self.of_group, self.of_site, self.of_element):
            nn.init.normal_(table.weight, 0, 0.5)
        self.from_cell = mlp(6 * (1 + 2 * len(WAVES)), width, e)
        self.from_free = mlp(3 * 2 * len(WAVES), width, e)

        self.code = mlp(3 * e, width, 2 * e)
        fall = torch.exp(-3.0 * torch.arange(k + 1) / (k + 1))
        fall = fall / fall.square().sum().sqrt() * (k + 1) ** 0.5
        n_shared = n_code // 2
        self.share = nn.Parameter(torch.randn(2 * e, n_shared) * (2 * e) ** -0.5 * 0.7)
        self.place = nn.Parameter(torch.randn(k + 1, 2 * e, n_code - n_shared) * (2 * e) ** -0.5 * fall[:, None, None])
        self.node = mlp(2 * e, width, e)
        self.near = nn.ModuleList(nn.Linear(2 * e + 16, 2 * e) for _ in range(layers))
        self.far = nn.ModuleList(nn.Linear(e, e) for _ in range(layers))
        self.pool = mlp(2 * e, width, n_graph)
        self.center = nn.Parameter(torch.zeros(d))
        self.log_sd = nn.Linear(d, d)
        nn.init.normal_(self.log_sd.weight, 0, 1e-3)
        nn.init.constant_(self.log_sd.bias, -2.0)

        self.match = nn.Parameter(torch.randn(k + 1, d, e) * d**-0.5)
        self.write = nn.GRU(4 * e + d, width, batch_first=True)
        self.to_group = mlp(width + e, width, len(groups.facts))
        self.to_cell = mlp(width + 2 * e, width, 6 * 2 * N_BINS)
        self.to_site = mlp(width + 2 * e, width, e)
        self.site_bias = nn.Embedding(len(sites.facts), 1)
        self.to_element = mlp(width + 2 * e, width, e)
        self.to_free = nn.ModuleList(mlp(width + 3 * e + 2 * len(WAVES) * j, width, 2 * N_BINS) for j in range(3))
        self.hint = mlp(d, width, n_properties) if n_properties else None

    def architecture(self) -> dict[str, Any]:
        names = ("d", "n_graph", "embedding", "width", "cutoff", "n_properties")
        return {"layers": self.n_layers, **{name: getattr(self, name) for name in names}}

    def with_properties(self, n: int) -> CrystalVAE:
        vae = copy.deepcopy(self)
        vae.n_properties = n
        vae.hint = mlp(self.d, self.width, n) if n else None
        return vae

    def sizes(self, x: Tensor) -> Tensor:
        return (self.layout.orbits(x)[..., 0] > 0).sum(1)

    def posterior(self, x: Tensor) -> Normal:
        mean = torch.cat([self._parts(x).sum(1), self._graph(x)], 1) + self.center
        return Normal(mean, self.log_sd(mean.detach()).clamp(-7, 2).exp(), validate_args=False)

    def forward(self, x: Tensor) -> tuple[Normal, Tensor, Tensor]:
        if self.training:
            x = perturb(x, self.layout, self.site_free, len(self.element_facts) - 1)
        posterior = self.posterior(x)
        z = posterior.rsample()
        return posterior, z, self.log_likelihood(x, z)

    def predict(self, z: Tensor) -> Tensor | None:
        return None if self.hint is None else self.hint(z)

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        orbits = self.layout.orbits(x)
        n_steps = min(int(self.sizes(x).max()) + 1, self.layout.n_orbits) if len(x) else 1
        group, site, element = self.layout.group(x), orbits[..., 0].long(), orbits[..., 1].long()
        items = self._items(x)[:, :n_steps]
        said = F.pad(self._coded(items).cumsum(1), (0, 0, 1, 0))
        matched = self._matched(z, said)
        hidden, _ = self.write(self._input(F.pad(items, (0, 0, 1, 0)), matched, z))
        hidden = torch.cat([hidden, matched], 2)
        total = -F.cross_entropy(self.to_group(hidden[:, 0]), group, reduction="none")
        cell = self.to_cell(torch.cat([hidden[:, 0], self._group(group)], 1)).view(len(x), 6, 2, N_BINS)
        rated = binned_log_likelihood(cell[:, :, 0], cell[:, :, 1], (self.layout.cell(x) - self.low) / self.step)
        total = total + (rated * self.group_free[group]).sum(1)
        # The step after the last orbit says that there are no more.
        h, site, element, u = hidden[:, 1:], site[:, :n_steps], element[:, :n_steps], orbits[:, :n_steps, 2:]
        previous = F.pad(site[:, :-1], (1, 0))
        logits = self._site_logits(h, group, previous)
        rated = -F.cross_entropy(logits.transpose(1, 2), site, reduction="none")
        is_asked = F.pad(previous[:, 1:] > 0, (1, 0), value=True)
        total = total + (rated * is_asked).sum(1)
        of_site = self._site(site)
        logits = self._element_logits(h, of_site)
        rated = -F.cross_entropy(logits.transpose(1, 2), element, reduction="none")
        total = total + (rated * (site > 0)).sum(1)
        of_both = torch.cat([of_site, self._element(element)], 2)
        for j, head in enumerate(self.to_free):
            out = head(torch.cat([h, of_both, fourier_features(u[..., :j])], 2)).unflatten(2, (2, N_BINS))
            rated = binned_log_likelihood(out[..., 0, :], out[..., 1, :], u[..., j] * N_BINS)
            total = total + (rated * (self.site_free[site] > j)).sum(1)
        return total

    @torch.no_grad()
    def generate(self, z: Tensor) -> Tensor:
        """The crystals that the decoder writes at `z` (`n x d`): rows without a graph."""
        z = z.to(self.center.dtype)
        x = z.new_zeros(len(z), self.layout.n_columns)
        orbits = self.layout.orbits(x)  # a view
        left = z - F.pad(self.center[: self.d - self.n_graph], (0, self.n_graph))
        before, state = z.new_zeros(len(z), 3 * self.embedding), None
        group = previous = torch.zeros(len(z), dtype=torch.long, device=z.device)
        is_going = torch.ones(len(z), dtype=torch.bool, device=z.device)
        for step in range(self.layout.n_orbits + 1 if len(z) else 0):
            matched = left @ self.match[step]
            hidden, state = self.write(self._input(before[:, None], matched[:, None], z), state)
            h = torch.cat([hidden[:, 0], matched], 1)
            if step == 0:
                group = self.to_group(h)[:, 1:].argmax(1) + 1
                cell = self.to_cell(torch.cat([h, self._group(group)], 1)).view(len(z), 6, 2, N_BINS)
                numbers = self.low + self.step * binned_mode(cell[:, :, 0], cell[:, :, 1])
                x[:, 0], x[:, 1:7] = group, numbers
            else:
                logits = self._site_logits(h[:, None], group, previous[:, None])[:, 0]
                if step == 1:
                    logits[:, 0] = -torch.inf
                previous = logits.argmax(1) * is_going
                is_going = previous > 0
                if not bool(is_going.any()):
                    break
                of_site = self._site(previous)
                element = (self._element_logits(h[:, None], of_site[:, None])[:, 0, 1:].argmax(1) + 1) * is_going
                of_both = torch.cat([of_site, self._element(element)], 1)
                u = z.new_zeros(len(z), 3)
                for j, head in enumerate(self.to_free):
                    out = head(torch.cat([h, of_both, fourier_features(u[:, :j])], 1)).unflatten(1, (2, N_BINS))
                    value = (binned_mode(out[:, 0], out[:, 1]) / N_BINS) % 1.0
                    u[:, j] = value * (self.site_free[previous] > j)
                orbits[:, step - 1] = torch.cat([previous[:, None], element[:, None], u], 1)
            before = self._items(x)[:, step]
            left = left - F.pad(self._coded(before[:, None], first=step)[:, 0], (0, self.n_graph))
        return x

    def _group(self, group: Tensor) -> Tensor:
        return self.of_group(group) + self.group_from(self.group_facts[group])

    def _site(self, site: Tensor) -> Tensor:
        return self.of_site(site) + self.site_from(self.site_facts[site])

    def _element(self, element: Tensor) -> Tensor:
        return self.of_element(element) + self.element_from(self.element_facts[element])

    def _items(self, x: Tensor) -> Tensor:
        """What has been written, as vectors: header, then orbits (`n x (k + 1) x 3 e`)."""
        group, cell, orbits = self.layout.group(x), self.layout.cell(x), self.layout.orbits(x)
        site, u = orbits[..., 0].long(), orbits[..., 2:]
        free = self.from_cell(
            torch.cat([cell, fourier_features(cell)], 1) * self.group_free[group].repeat(1, 1 + 2 * len(WAVES))
        )
        head = torch.cat([self._group(group), free, torch.zeros_like(free)], 1)
        is_free = (torch.arange(3, device=x.device) < self.site_free[site][..., None]).float()
        moved = self.from_free(fourier_features(u) * is_free.repeat(1, 1, 2 * len(WAVES)))
        each = torch.cat([self._site(site), self._element(orbits[..., 1].long()), moved], 2)
        return torch.cat([head[:, None], each * (site > 0)[..., None]], 1)

    def _coded(self, items: Tensor, *, first: int = 0) -> Tensor:
        """What each item adds to the sum, `n x steps x (d - n_graph)`; nothing where there is none."""
        read = self.code(items) * (items.abs().sum(2, keepdim=True) > 0)
        placed = torch.einsum("nse,sec->nsc", read, self.place[first : first + items.shape[1]])
        return torch.cat([read @ self.share, placed], 2)

    def _parts(self, x: Tensor) -> Tensor:
        return self._coded(self._items(x))

    def _graph(self, x: Tensor) -> Tensor:
        """Message passing between orbits, pooled by multiplicity: `n x n_graph`."""
        orbits = self.layout.orbits(x)
        k = int(self.sizes(x).max()) if len(x) else 1
        site, element = orbits[:, :k, 0].long(), orbits[:, :k, 1].long()
        distance, owner = (edge[:, :k] for edge in self.layout.edges(x))
        h = self.node(torch.cat([self._site(site), self._element(element)], 2))
        centers = torch.linspace(0.8, self.cutoff, 16, device=x.device)
        basis = torch.exp(-((distance[..., None] - centers) / 0.35).square())
        rows = torch.arange(len(x), device=x.device)[:, None, None]
        nearness = torch.exp(-distance / 2)[..., None]
        nearness = nearness / nearness.sum(2, keepdim=True)
        for near, far in zip(self.near, self.far, strict=True):
            other = h[rows, owner.clamp(max=k - 1)]
            gate, said = near(torch.cat([h[:, :, None].expand_as(other), other, basis], 3)).chunk(2, 3)
            h = h + far((torch.sigmoid(gate) * F.silu(said) * nearness).sum(2))
        share = self.site_share[site]
        share = share / share.sum(1, keepdim=True).clamp_min(1)
        mean = (h * share[..., None]).sum(1)
        return self.pool(torch.cat([mean, (h.square() * share[..., None]).sum(1).clamp_min(1e-6).sqrt()], 1))

    def _matched(self, z: Tensor, said: Tensor) -> Tensor:
        left = (z - F.pad(self.center[: self.d - self.n_graph], (0, self.n_graph)))[:, None] - F.pad(
            said, (0, self.n_graph)
        )
        return torch.einsum("nsd,sde->nse", left, self.match[: said.shape[1]])

    def _input(self, before: Tensor, matched: Tensor, z: Tensor) -> Tensor:
        return torch.cat([before, matched, z[:, None].expand(-1, before.shape[1], -1)], 2)

    def _site_logits(self, h: Tensor, group: Tensor, previous: Tensor) -> Tensor:
        """Log-odds of every site, `n x steps x n_sites`; those that cannot follow have none."""
        of_group = self._group(group)[:, None].expand(-1, h.shape[1], -1)
        asked = self.to_site(torch.cat([h, of_group], 2))
        numbers = torch.arange(len(self.site_group), device=h.device)
        logits = asked @ self._site(numbers).T / math.sqrt(self.embedding) + self.site_bias.weight[:, 0]
        follows = numbers > previous[..., None]
        again = (numbers == previous[..., None]) & (self.site_free > 0)
        allowed = ((self.site_group == group[:, None])[:, None] & (follows | again)) | (numbers == 0)
        return logits.masked_fill(~allowed, -1e9)

    def _element_logits(self, h: Tensor, of_site: Tensor) -> Tensor:
        asked = self.to_element(torch.cat([h, of_site], 2))
        numbers = torch.arange(len(self.element_facts), device=h.device)
        return asked @ self._element(numbers).T / math.sqrt(self.embedding)


def crystal_vae(
    domain: Any,
    *,
    d: int = 64,
    n_graph: int = 16,
    embedding: int = 96,
    width: int = 192,
    layers: int = 3,
    cutoff: float = 6.0,
    n_properties: int = 0,
) -> CrystalVAE:
    """A crystal VAE for a fitted `Crystals` domain.

    Args as in `CrystalVAE`; the vocabulary is the domain's.

    Raises:
        InvdesignError: the domain was not fitted.
    """
    vocabulary = getattr(domain, "vocabulary", None)
    if not isinstance(vocabulary, Vocabulary):
        raise InvdesignError("crystal model: the domain has no vocabulary of crystals yet; call domain.fit(designs)")
    return CrystalVAE(
        vocabulary,
        element_table(vocabulary.elements),
        d=d,
        n_graph=n_graph,
        embedding=embedding,
        width=width,
        layers=layers,
        cutoff=cutoff,
        n_properties=n_properties,
    )
