"""Crystals as sequences of tokens, and the grammar of these sequences.

A sequence is the space group, the letters of the occupied sites, their elements, the free parameters of the shape of
the cell, the free coordinates of the sites, the volume relative to that of the composition, and the end:

    225 | a b | Na Cl | 35 | end

Numbers are rounded to bins. The list has as many tokens as the crystal has degrees of freedom: no token can break the
symmetry.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from invdesign.domains.crystals.model.encoding import HEAD, WIDTH, Vocabulary
from invdesign.domains.crystals.symmetry.wyckoff import free_cell
from invdesign.vae.tokens import END, PAD, UNKNOWN

N_COORDINATES = 72
"""Bins of a free coordinate: a multiple of 24, so that simple fractions are centers of bins."""
STEPS = (0.01, 0.02, 0.02, 1 / 30, 1 / 30, 1 / 30)
"""Widths of the bins of the cell numbers: 1 % of the scale, 2 % of a ratio of lengths, one degree."""
N_CELL = len(STEPS)

# Phases of a sequence: what comes next.
GROUP, LETTERS, ELEMENTS, SHAPE = 0, 1, 2, 3
COORDINATES = SHAPE + N_CELL - 1
SCALE, CLOSED = COORDINATES + 1, COORDINATES + 2


@dataclass(frozen=True)
class TokenLanguage:
    """Tokens of the crystals of a vocabulary, between rows (see `model.encoding`) and sequences."""

    vocabulary: Vocabulary
    """Space groups, sites, elements and ranges of cells."""

    @cached_property
    def letters(self) -> tuple[str, ...]:
        """Letters of the sites in alphabetical order."""
        return tuple(sorted({site.letter for site in self.vocabulary.sites}))

    @cached_property
    def first_bins(self) -> tuple[int, ...]:
        """First bin of each of the six cell numbers; 0 is the center of bin 0, so that right angles are exact."""
        return tuple(round(low / step) for low, step in zip(self.vocabulary.low, STEPS, strict=True))

    @cached_property
    def cell_bins(self) -> tuple[int, ...]:
        """Number of bins of each of the six cell numbers."""
        last = [round(high / step) for high, step in zip(self.vocabulary.high, STEPS, strict=True)]
        return tuple(end - first + 1 for first, end in zip(self.first_bins, last, strict=True))

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """First token of each kind in the order of the phases, and the number of tokens."""
        scale, *shape = self.cell_bins
        v = self.vocabulary
        sizes = (len(v.groups), len(self.letters), len(v.elements), *shape, N_COORDINATES, scale)
        return tuple(UNKNOWN + 1 + sum(sizes[:i]) for i in range(len(sizes) + 1))

    @property
    def n_tokens(self) -> int:
        """Number of tokens."""
        return self.starts[-1]

    @property
    def length(self) -> int:
        """Tokens of the longest sequence, end included."""
        return 1 + self.vocabulary.n_orbits * 5 + N_CELL + 1

    @cached_property
    def is_cell_free(self) -> Tensor:
        """Whether each of the cell numbers is free, by number of the space group; row 0 is none."""
        free = [()] + [free_cell(group) for group in self.vocabulary.groups]
        return torch.tensor([[i in numbers for i in range(N_CELL)] for numbers in free])

    @cached_property
    def sites(self) -> Tensor:
        """Number of the site by numbers of space group and letter, 0 where there is none."""
        table = torch.zeros(len(self.vocabulary.groups) + 1, len(self.letters), dtype=torch.long)
        for i, site in enumerate(self.vocabulary.sites):
            group = self.vocabulary.group_numbers[site.space_group]
            table[group, self.letters.index(site.letter)] = i + 1
        return table

    @cached_property
    def site_letters(self) -> Tensor:
        """Number of the letter of each site; site 0 is none."""
        return torch.tensor([0] + [self.letters.index(site.letter) for site in self.vocabulary.sites])

    @cached_property
    def n_free(self) -> Tensor:
        """Number of free coordinates of each site; site 0 is none."""
        return torch.tensor([0] + [site.n_free for site in self.vocabulary.sites])

    def tokenize(self, rows: Tensor) -> Tensor:
        """Return the sequences of rows: `n x length` token numbers, padded after the end."""
        layout, device = self.vocabulary.layout, rows.device
        group, cell, orbits = layout.group(rows), layout.cell(rows), layout.orbits(rows)
        site, element, u = orbits[..., 0].long(), orbits[..., 1].long(), orbits[..., 2:]
        n_free, is_free = self.n_free.to(device)[site], self.is_cell_free.to(device)[group]
        numbers = self._bin_cells(cell)
        scale = numbers[:, :1] + self.starts[SCALE]
        shape = numbers[:, 1:] + torch.tensor(self.starts[SHAPE:COORDINATES], device=device)
        coordinates = torch.round(u * N_COORDINATES).long() % N_COORDINATES + self.starts[COORDINATES]
        is_coordinate = torch.arange(3, device=device) < n_free[..., None]
        columns = [
            _or_unknown(group, self.starts[GROUP])[:, None],
            (self.site_letters.to(device)[site] + self.starts[LETTERS]) * (site > 0),
            _or_unknown(element, self.starts[ELEMENTS]) * (site > 0),
            shape * is_free[:, 1:],
            (coordinates * is_coordinate).flatten(1),
            scale,
            torch.full_like(scale, END),
        ]
        sparse = torch.cat(columns, 1)
        order = (sparse == PAD).to(torch.int8).argsort(dim=1, stable=True)
        return sparse.gather(1, order)

    def rows(self, tokens: Tensor) -> Tensor:
        """Return the rows of sequences that obey the grammar, without the columns of the graph; 0 for others."""
        layout = self.vocabulary.layout
        rows = torch.zeros(len(tokens), layout.n_columns)
        for row, sequence in zip(rows, tokens.tolist(), strict=True):
            if END in sequence:
                self._fill_row(row, sequence[: sequence.index(END)])
        return rows.to(tokens.device)

    def _fill_row(self, row: Tensor, sequence: list[int]) -> None:
        if UNKNOWN in sequence:
            return
        kinds: list[list[int]] = [[] for _ in range(CLOSED)]
        for token in sequence:
            kind = bisect_right(self.starts, token) - 1
            kinds[kind].append(token - self.starts[kind])
        if not (kinds[GROUP] and kinds[LETTERS] and kinds[SCALE]):
            return
        group = kinds[GROUP][0] + 1
        sites = [int(self.sites[group, letter]) for letter in kinds[LETTERS]]
        row[0] = group
        for i, (first, step) in enumerate(zip(self.first_bins, STEPS, strict=True)):
            found = kinds[SCALE if i == 0 else SHAPE + i - 1]
            row[1 + i] = step * (first + found[0]) if found else 0.0
        coordinates = iter(kinds[COORDINATES])
        orbits = row[HEAD : HEAD + self.vocabulary.n_orbits * WIDTH].view(-1, WIDTH)
        for orbit, site, element in zip(orbits, sites, kinds[ELEMENTS], strict=False):
            u = [next(coordinates, 0) / N_COORDINATES for _ in range(int(self.n_free[site]))]
            orbit[: 2 + len(u)] = torch.tensor([site, element + 1, *u])

    def expand_cells(self, tokens: Tensor, factor: float) -> Tensor:
        """Return sequences with the lengths of their cells multiplied by a factor, as far as the bins reach."""
        first, end = self.starts[SCALE : SCALE + 2]
        n_bins = max(1, round(math.log(factor) / STEPS[0]))
        return torch.where((tokens >= first) & (tokens < end), (tokens + n_bins).clamp(max=end - 1), tokens)

    def _bin_cells(self, cell: Tensor) -> Tensor:
        """Return the numbers of the bins of cell numbers, `n x 6`; the outermost bins hold what lies beyond."""
        bins = torch.round(cell / cell.new_tensor(STEPS)) - cell.new_tensor(self.first_bins)
        return bins.clamp(min=0).minimum(cell.new_tensor(self.cell_bins) - 1).long()

    def grammar(self) -> CrystalGrammar:
        """Return the grammar of the sequences."""
        groups, letters = self.sites.shape
        n_sites = len(self.vocabulary.sites)
        # State `group` is that of no letter yet, state `groups + site` that after a site.
        follows = torch.zeros(groups + n_sites + 1, letters, dtype=torch.long)
        follows[:groups] = self.sites
        for number, site in enumerate(self.vocabulary.sites, 1):
            after = self.sites[self.vocabulary.group_numbers[site.space_group]].clone()
            after[: int(self.site_letters[number]) + (site.n_free == 0)] = 0
            follows[groups + number] = after
        phases = torch.zeros(CLOSED + 1, self.n_tokens, dtype=torch.bool)
        for phase in range(CLOSED):
            phases[phase, self.starts[phase] : self.starts[phase + 1]] = True
        phases[CLOSED, END] = True
        return CrystalGrammar(self, follows, phases)


def _or_unknown(numbers: Tensor, start: int) -> Tensor:
    """Return the tokens of numbers that are counted from 1; 0 becomes the unknown token."""
    return torch.where(numbers > 0, numbers - 1 + start, UNKNOWN)


@dataclass(frozen=True, eq=False)
class CrystalGrammar:
    """What every complete sequence obeys: as many elements and numbers as the group and its sites have.

    Sites come in the order of their letters, and one without free coordinates once. The state of a sequence is its
    group, the state of its list of sites, the number of orbits, elements and coordinates to come, and the phase.
    """

    language: TokenLanguage
    """The tokens."""
    follows: Tensor
    """Number of the site that each letter adds in each state of the list of sites; 0 for a letter that may not come."""
    phases: Tensor
    """Tokens of each phase, `n_phases x n_tokens`."""

    def start(self, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the state of `n` empty sequences."""
        return torch.zeros(n, 4, dtype=torch.long, device=device), torch.zeros(n, dtype=torch.long, device=device)

    def forbidden(self, state: tuple[Tensor, Tensor]) -> Tensor:
        """Return which tokens may not follow: `n x n_tokens`, true where one may not."""
        counts, phase = state
        allowed = self.phases.to(phase.device)[phase]
        (rows,) = (phase == LETTERS).nonzero(as_tuple=True)
        if len(rows):
            _, listed, n_orbits, _ = counts[rows].unbind(1)
            letters = self.follows.to(phase.device)[listed] > 0
            letters &= (n_orbits < self.language.vocabulary.n_orbits)[:, None]
            starts = self.language.starts
            inside = allowed[rows]
            inside[:, starts[LETTERS] : starts[ELEMENTS]] = letters
            inside[:, starts[ELEMENTS] : starts[SHAPE]] = (n_orbits > 0)[:, None]
            allowed[rows] = inside
        return ~allowed

    def follow(self, state: tuple[Tensor, Tensor], tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the state after one more token of each of `n` sequences."""
        counts, phase = state
        group, listed, n_left, n_coordinates = counts.unbind(1)
        starts, n_groups, device = self.language.starts, len(self.language.sites), tokens.device
        is_group, is_letter = phase == GROUP, (phase == LETTERS) & (tokens < starts[ELEMENTS])
        is_element = ((phase == LETTERS) & ~is_letter) | (phase == ELEMENTS)
        is_number = (phase >= SHAPE) & (phase != COORDINATES) & (phase < CLOSED)
        group = torch.where(is_group, (tokens - starts[GROUP] + 1).clamp(0, n_groups - 1), group)
        letter = (tokens - starts[LETTERS]).clamp(0, self.follows.shape[1] - 1)
        site = self.follows.to(device)[listed, letter] * is_letter
        listed = torch.where(is_group, group, torch.where(is_letter, n_groups + site, listed))
        n_left = n_left + is_letter.long() - is_element.long()
        n_coordinates = n_coordinates + self.language.n_free.to(device)[site] - (phase == COORDINATES).long()
        phase = torch.where(is_group, LETTERS, torch.where(is_element, ELEMENTS, phase + is_number.long()))
        # Phases without a token to come are passed over.
        phase = phase + ((phase == ELEMENTS) & (n_left == 0)).long()
        for i, is_free in enumerate(self.language.is_cell_free.to(device)[group][:, 1:].unbind(1)):
            phase = phase + ((phase == SHAPE + i) & ~is_free).long()
        phase = phase + ((phase == COORDINATES) & (n_coordinates == 0)).long()
        return torch.stack([group, listed, n_left, n_coordinates], 1), phase
