"""Latents and words in one space: a contrastive alignment of designs with statements about them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from invdesign.core import Array, Corpus, D, DesignSpace, InvdesignError, Progress, silent
from invdesign.core.capabilities import computed_properties
from invdesign.core.statements import Describable

MIN_COUNT = 8
"""Designs with a statement below which it is left out."""
MIN_DESIGNS = 100
EMBEDDING, WIDTH = 64, 256
BATCH = 256
LEARNING_RATE = 2e-3
COMPLETE = 0.25
"""Share of the texts of the training that state all that holds."""
MAX_ABSENT = 3
"""Statements that do not hold, in a text of the training."""
LARGEST_SCALE = 100.0
"""Largest inverse temperature, as in CLIP."""

Truth = npt.NDArray[np.bool_]
Annotations = Mapping[str, frozenset[str]]


@dataclass(frozen=True, eq=False)
class Vocabulary(Generic[D]):
    """The statements that can be made about designs of a corpus, and what they mean."""

    domain: DesignSpace[D]
    """The domain."""
    statements: tuple[str, ...]
    """All statements, those of what designs have first."""
    limits: Mapping[str, tuple[float, float]]
    """Limits of the lowest and of the highest third of each property that has words."""
    annotations: Annotations = field(default_factory=dict)
    """Statements that the table of the corpus makes about its designs, by key of the design."""
    annotated: frozenset[str] = frozenset()
    """Those of the statements that are annotations: of other designs it is not known whether they hold."""

    def truth(self, designs: Sequence[D]) -> Truth:
        """Return which statements hold: `n x s`."""
        assert isinstance(self.domain, Describable)
        column = {statement: j for j, statement in enumerate(self.statements)}
        holds = np.zeros((len(designs), len(self.statements)), dtype=bool)
        for row, words in zip(holds, self.domain.statements(designs), strict=True):
            row[[column[word] for word in words if word in column]] = True
        if self.annotated:
            for row, design in zip(holds, designs, strict=True):
                noted = self.annotations.get(self.domain.key(design), frozenset())
                row[[column[word] for word in noted & self.annotated]] = True
        for name, ends in self.domain.extremes().items():
            if name not in self.limits:
                continue
            values = np.asarray(computed_properties(self.domain)[name].measure(designs), dtype=np.float64)
            low, high = self.limits[name]
            for word, is_there in zip(ends, (values <= low, values >= high), strict=True):
                if word in column:
                    holds[:, column[word]] = is_there
        return holds


def annotate(domain: DesignSpace[D], corpus: Corpus[D]) -> dict[str, frozenset[str]]:
    """Return the statements that the columns of a table make about its designs, by key of the design.

    A label is a statement of its column and value, e.g. `"laboratory basel"`; a measured property states its lowest
    and highest third, e.g. `"low logs"`.

    Example:
        >>> from invdesign.domains.sequences import Sequences
        >>> corpus = Corpus(("MK", "MT"), labels={"Host": ("E. coli", "")})
        >>> annotate(Sequences(), corpus)
        {'MK': frozenset({'host e coli'}), 'MT': frozenset()}
    """
    found: list[set[str]] = [set() for _ in range(len(corpus))]
    for name, values in corpus.labels.items():
        for statements, value in zip(found, values, strict=True):
            if value:
                statements.add(_plain(f"{name} {value}"))
    for name, numbers in corpus.properties.items():
        y = np.asarray(numbers, dtype=np.float64)
        low, high = np.nanquantile(y, [1 / 3, 2 / 3]) if np.isfinite(y).sum() >= MIN_DESIGNS else (np.nan, np.nan)
        for statements, value in zip(found, y if low < high else (), strict=False):
            if value <= low or value >= high:
                statements.add(_plain(f"{'low' if value <= low else 'high'} {name}"))
    return {domain.key(design): frozenset(words) for design, words in zip(corpus.designs, found, strict=True)}


def annotation_synonyms(domain: Describable[D], vocabulary: Vocabulary[D], corpus: Corpus[D]) -> dict[str, str]:
    """Return values of labels as short words for their statements, where no other statement has that word."""
    taken = {*vocabulary.statements, *domain.synonyms()}
    meanings: dict[str, set[str]] = {}
    for name, values in corpus.labels.items():
        for value in set(values) - {""}:
            meanings.setdefault(_plain(value), set()).add(_plain(f"{name} {value}"))
    return {
        word: next(iter(statements))
        for word, statements in meanings.items()
        if word not in taken and len(statements) == 1 and statements <= vocabulary.annotated
    }


def _plain(text: str) -> str:
    """Return a text in lower case without the characters that separate phrases of a request."""
    return " ".join(re.split(r"[\s,;._]+", text.lower())).strip()


def learn_vocabulary(
    domain: DesignSpace[D], designs: Sequence[D], annotations: Annotations | None = None
) -> Vocabulary[D]:
    """Return the statements that hold for some of the designs, and the limits of "small" and "large".

    Args:
        domain: Makes the statements that are computed.
        designs: Designs of the corpus.
        annotations: Statements of the table of the corpus, by key of the design (see `annotate`).

    Raises:
        InvdesignError: The domain makes no statements, or there are too few designs.
    """
    if not isinstance(domain, Describable):
        raise InvdesignError(f"words: {domain.name} have no statements in words. Choose another domain")
    if len(designs) < MIN_DESIGNS:
        raise InvdesignError(f"words: expected at least {MIN_DESIGNS} designs, got {len(designs)}. Give a corpus")
    counts: dict[str, int] = {}
    for words in domain.statements(designs):
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    common = sorted(word for word, n in counts.items() if n >= MIN_COUNT)
    noted: dict[str, int] = {}
    for design in designs if annotations else ():
        for word in (annotations or {}).get(domain.key(design), ()):
            noted[word] = noted.get(word, 0) + 1
    annotated = frozenset(word for word, n in noted.items() if n >= MIN_COUNT and word not in counts)
    limits: dict[str, tuple[float, float]] = {}
    ends: list[str] = []
    computed = computed_properties(domain)
    for name, pair in domain.extremes().items():
        values = np.asarray(computed[name].measure(designs), dtype=np.float64) if name in computed else np.zeros(0)
        low, high = np.nanquantile(values, [1 / 3, 2 / 3]) if np.isfinite(values).any() else (0.0, 0.0)
        if low < high:
            limits[name] = (float(low), float(high))
            ends += [word for word in pair if word not in common]
    annotated -= set(ends)
    return Vocabulary(domain, (*common, *sorted(annotated), *ends), limits, annotations or {}, annotated)


@dataclass(frozen=True, eq=False)
class WordMap:
    """Two small networks that place latents and texts in one space, where a text is nearest to what it describes."""

    text: nn.Module
    """From a text (see `write_texts`) to its place."""
    design: nn.Module
    """From latents to their places."""

    @torch.no_grad()
    def score(self, Z: Float[np.ndarray, "n d"], texts: Float[np.ndarray, "m t"]) -> Float[np.ndarray, "m n"]:
        """Return the similarity of texts and designs, -1 to 1."""
        places = F.normalize(self.design(torch.from_numpy(Z).float()), dim=1)
        asked = F.normalize(self.text(torch.from_numpy(texts).float()), dim=1)
        scores: Array = (asked @ places.T).double().numpy()
        return scores


def write_texts(stated: Truth, denied: Truth | None = None, *, is_complete: bool = False) -> Float[np.ndarray, "n t"]:
    """Return texts as numbers: 1 for each statement that is made, -1 for each that is denied, and 1 for "that is all".

    Args:
        stated: Statements that are made, `n x s`.
        denied: Statements that are denied.
        is_complete: Whether all that holds is stated.
    """
    texts = stated.astype(np.float64) - (0.0 if denied is None else denied.astype(np.float64))
    return np.concatenate([texts, np.full((len(texts), 1), float(is_complete))], 1)


def fit_words(
    Z: Float[np.ndarray, "n d"], truth: Truth, *, epochs: int = 40, seed: int = 0, progress: Progress = silent
) -> WordMap:
    """Fit the alignment of latents with statements.

    Each step draws for each design of a batch a text: some of the statements that hold, and a few that do not, denied;
    a quarter of the texts state all that holds, and that this is all. A contrastive loss places the text near the
    latents of all designs of the batch for which it is true, and away from those of the others, in both directions.

    Args:
        Z: Latents.
        truth: Which statements hold.
        epochs: Passes through the designs.
        seed: Seed.
        progress: Called with `(stage, done, total)`.

    References:
        Radford et al., Learning Transferable Visual Models From Natural Language Supervision (2021), arXiv:2103.00020;
        Khosla et al., Supervised Contrastive Learning (2020), arXiv:2004.11362 (several positives).
    """
    S = torch.from_numpy(truth)
    latents = torch.from_numpy(Z).float()
    mean, sd = latents.mean(0), latents.std(0).clamp_min(1e-6)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text, design = _network(S.shape[1] + 1), nn.Sequential(_Standardize(mean, sd), *_network(latents.shape[1]))
        log_scale = nn.Parameter(torch.tensor(2.7))
        parameters = [*text.parameters(), *design.parameters(), log_scale]
        optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=1e-4)
        n_steps = max(1, epochs * len(S) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=n_steps + 1)
        for step in range(n_steps):
            if step % 50 == 0:
                progress("aligning words with latents", step, n_steps)
            rows = torch.randint(len(S), (min(BATCH, len(S)),))
            loss = _contrast(text, design, latents[rows], S[rows], log_scale)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    progress("aligning words with latents", n_steps, n_steps)
    return WordMap(text.eval(), design.eval())


def retrieval_rate(word_map: WordMap, Z: Float[np.ndarray, "n d"], truth: Truth) -> float:
    """Return the share of designs that are the first of all by their complete text.

    A design whose text others have too counts as the share of them.
    """
    scores = word_map.score(Z, write_texts(truth, is_complete=True))
    best = scores.argmax(1)
    same = (truth[best] == truth).all(1)
    _, which, sizes = np.unique(truth, axis=0, return_inverse=True, return_counts=True)
    return float(np.mean(np.where(same, 1.0 / sizes[which.reshape(-1)], 0.0)))


class _Standardize(nn.Module):
    """Subtraction of the mean and division by the standard deviation."""

    mean: Tensor
    sd: Tensor

    def __init__(self, mean: Tensor, sd: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("sd", sd)

    def forward(self, x: Tensor) -> Tensor:
        standardized: Tensor = (x - self.mean) / self.sd
        return standardized


def _network(n_inputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_inputs, WIDTH), nn.GELU(), nn.Dropout(0.1), nn.Linear(WIDTH, WIDTH), nn.GELU(),
        nn.Linear(WIDTH, EMBEDDING),
    )  # fmt: skip


def _contrast(text: nn.Module, design: nn.Module, Z: Tensor, S: Tensor, log_scale: Tensor) -> Tensor:
    is_complete = torch.rand(len(S), 1) < COMPLETE
    share = torch.where(is_complete, 1.0, torch.rand(len(S), 1))
    stated = S & (torch.rand(S.shape) < share)
    n_absent = torch.randint(MAX_ABSENT + 1, (len(S), 1)) / (~S).sum(1, keepdim=True).clamp_min(1)
    denied = ~S & ~is_complete & (torch.rand(S.shape) < n_absent)
    # Text i is true of design j where j has all that it states and nothing that it denies, or nothing else at all.
    excluded = denied | (is_complete & ~S)
    violations = stated.float() @ (~S).float().T + excluded.float() @ S.float().T
    is_true = violations == 0
    places = F.normalize(design(Z), dim=1)
    texts = F.normalize(text(torch.cat([stated.float() - denied.float(), is_complete.float()], 1)), dim=1)
    logits = log_scale.exp().clamp(max=LARGEST_SCALE) * texts @ places.T
    target = is_true.float()
    by_text = -(F.log_softmax(logits, 1) * target).sum(1) / target.sum(1)
    by_design = -(F.log_softmax(logits, 0) * target).sum(0) / target.sum(0)
    loss: Tensor = (by_text + by_design).mean()
    return loss
