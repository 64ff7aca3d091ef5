"""Contract checks of plug-ins: each raises an AssertionError that says what was expected and what was got."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import torch
from botorch.models import SingleTaskGP
from botorch.models.transforms import Normalize
from torch import Tensor
from torch.distributions import Normal

from invdesign.core import (
    Acquire,
    Array,
    Candidate,
    Check,
    Corpus,
    Deliver,
    Domain,
    FitDensity,
    FitSurrogate,
    Illustrate,
    InvdesignError,
    Landscape,
    Objective,
    Oracle,
    Propose,
    Validator,
    capabilities,
)
from invdesign.io.design_files import formats, read_designs, write_designs
from invdesign.vae.base import VAE


def check_domain(domain: Domain[Any, Any], designs: Sequence[Any]) -> None:
    """Check that a domain satisfies its protocols, the optional ones that it has included.

    Args:
        domain: The domain.
        designs: A few distinct, canonical designs of it.

    Raises:
        AssertionError: It does not; the message says what.
    """
    n = len(designs)
    keys = [domain.key(design) for design in designs]
    assert len(set(keys)) == n, f"key: expected {n} distinct keys, got {len(set(keys))}"
    for design, key in zip(designs, keys, strict=True):
        again = domain.from_text(domain.to_text(design))
        assert domain.key(again) == key, f"from_text(to_text(x)) is another design: {key} became {domain.key(again)}"
        assert "<svg" in capabilities.draw(domain, design), f"draw({key}) is no SVG"
        assert capabilities.label(domain, design), f"label({key}) is empty"
    for name, cells in capabilities.describe(domain, designs).items():
        assert len(cells) == n, f"describe: column {name!r} has {len(cells)} cells for {n} designs"
    _check_encoding(domain, designs, keys)
    suffixes = formats(domain)
    assert suffixes and all(suffix.startswith(".") for suffix in suffixes), f"formats: {suffixes}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"designs{suffixes[0]}"
        write_designs(domain, designs, path)
        read = read_designs(domain, path)
    assert [domain.key(d) for d in read.designs] == keys, f"{suffixes[0]}: written and read again, designs differ"


def _check_encoding(domain: Domain[Any, Any], designs: Sequence[Any], keys: Sequence[str]) -> None:
    """Check the encoding that a domain fits to designs."""
    n = len(designs)
    json.dumps(domain.settings())
    encoding = domain.fit(designs)
    state = json.loads(json.dumps(encoding.state()))
    assert domain.restore(state).state() == encoding.state(), "restore(state()) differs after a trip through JSON"
    errors = encoding.errors(designs)
    assert len(errors) == n, f"errors: expected {n} texts, got {len(errors)}"
    decoded = encoding.decode(encoding.encode(designs))
    assert len(decoded) == n, f"decode: expected {n} designs, got {len(decoded)}"
    for key, error, design in zip(keys, errors, decoded, strict=True):
        found = None if design is None else domain.key(design)
        assert error or found == key, f"{key} can be encoded, but is decoded as {found}"
    assert encoding.shape.length > 0, f"shape: expected a length of at least 1, got {encoding.shape}"
    features = capabilities.features(encoding, designs)
    assert features.ndim == 2 and len(features) == n, f"features: expected {n} x f, got {features.shape}"
    described = capabilities.descriptors(encoding, designs)
    n_descriptors = capabilities.descriptors(encoding, []).shape[1]
    assert described.shape == (n, n_descriptors), f"descriptors: expected {n} x {n_descriptors}, got {described.shape}"
    assert bool((~np.isfinite(features).all(1) | np.isfinite(described).all(1)).all()), "a descriptor is not finite"


def check_corpus(load: Callable[[], Corpus[Any]]) -> None:
    """Check the corpus of a loader: distinct designs, properties of their number, a checksum that is reproducible."""
    corpus = load()
    n = len(corpus)
    assert n > 0, "the corpus is empty"
    assert len(set(corpus.designs)) == n, f"designs repeat: {n} of them, {len(set(corpus.designs))} distinct"
    for name, values in corpus.properties.items():
        assert len(values) == n, f"property {name!r} has {len(values)} values for {n} designs"
    assert corpus.weights is None or len(corpus.weights) == n, "weights have another length than the designs"
    assert corpus.sha256, "the corpus has no checksum, so nothing made of it can be cached"
    assert load().sha256 == corpus.sha256, "loaded again, the corpus has another checksum"


def check_vae(vae: VAE, x: Any) -> None:
    """Check that a model satisfies the interface of a VAE.

    Args:
        vae: The model, trained or not.
        x: `n` encoded designs.
    """
    n, was_training = len(x), vae.training
    vae.eval()
    posterior = vae.posterior(x)
    assert isinstance(posterior, Normal), f"posterior: expected torch's Normal, got {type(posterior).__name__}"
    _has_shape(posterior.mean, (n, vae.d), "posterior.mean")
    assert bool((posterior.stddev > 0).all()), "posterior: a standard deviation is not positive"
    z = posterior.mean.detach()
    first, second = vae.generate(z), vae.generate(z)
    assert len(first) == n, f"generate: expected {n} rows, got {len(first)}"
    assert bool(torch.equal(first, second)), "generate must be deterministic, two calls differ"
    rate = vae.log_likelihood(x, z.clone().requires_grad_())
    _has_shape(rate, (n,), "log_likelihood")
    assert bool(torch.isfinite(rate).all()), "log_likelihood is not finite"
    assert rate.requires_grad, "log_likelihood has no gradient"
    vae.train(was_training)


def check_oracle(oracle: Oracle, designs: Sequence[Any], *, m: int | None = None) -> None:
    """Check an oracle: `n` or `n x m` numbers that depend on each design alone, NaN for a failure.

    Args:
        oracle: The function.
        designs: At least two designs.
        m: Number of properties, where known.
    """
    given = list(designs)
    Y = _values(oracle, designs)
    assert list(designs) == given, "the oracle changed its argument"
    assert m is None or Y.shape[1] == m, f"expected {m} properties, got {Y.shape[1]}"
    assert not np.isinf(Y).any(), "infinite values; what cannot be measured is NaN"
    # Networks in single precision differ in the last digits with the size of a batch.
    is_close = partial(np.allclose, rtol=1e-4, atol=1e-6, equal_nan=True)
    backwards = _values(oracle, designs[::-1])[::-1]
    assert is_close(Y, backwards), "a design's value depends on its position in the batch"
    alone = _values(oracle, designs[:1])
    assert is_close(Y[:1], alone), "a design's value depends on the other designs"
    capabilities.prepare_oracle(oracle)
    assert len(oracle([])) == 0, "expected no values for no designs"


def check_validator(validator: Validator, designs: Sequence[Any]) -> None:
    """Check a validator: one Check for each design, all of one name, each by its design alone."""
    checks = validator(designs)
    assert len(checks) == len(designs), f"expected {len(designs)} checks, got {len(checks)}"
    for check in checks:
        assert isinstance(check, Check), f"expected core.Check, got {type(check).__name__}"
        assert isinstance(check.passed, bool), f"passed must be True or False, got {check.passed!r}"
        assert check.passed or check.detail, f"{check.name}: a failed check must give the reason in its detail"
    assert len({check.name for check in checks}) == 1, f"one name for all, got {sorted({c.name for c in checks})}"
    assert validator(designs[:1]) == checks[:1], "a check depends on the other designs"
    assert validator([]) == [], "expected no checks for no designs"


def check_deliver(deliver: Deliver, designs: Sequence[Any], *, key: Callable[[Any], str] = str) -> None:
    """Check a deliverable: it writes files, each once, into the given folder and nowhere else.

    Args:
        deliver: The function.
        designs: Designs of the measured candidates that it is tried on.
        key: Returns the key of a design.
    """
    listed = candidates(designs, key=key)
    for given in (listed, listed[:1]):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "folder"
            folder.mkdir()
            paths = [folder / path for path in deliver(given, folder)]
            assert paths, f"no file for {len(given)} candidates"
            assert len(set(paths)) == len(paths), f"a file is named twice: {[path.name for path in paths]}"
            for path in paths:
                assert path.is_file(), f"{path.name} was named, but not written"
                assert path.resolve().is_relative_to(folder.resolve()), f"{path} lies outside the folder"
            beside = [path.name for path in Path(place).iterdir() if path != folder]
            assert not beside, f"written beside the folder: {beside}"


def check_illustrate(
    illustrate: Illustrate,
    designs: Sequence[Any],
    *,
    objectives: Sequence[Objective] = (Objective("height", "m"),),
    key: Callable[[Any], str] = str,
) -> None:
    """Check figures of the report: HTML or SVG by title that needs no network.

    Args:
        illustrate: The function.
        designs: Designs of the measured candidates that it is tried on; half of them are the shortlist.
        objectives: `m` objectives.
        key: Returns the key of a design.
    """
    evaluated = candidates(designs, key=key, m=len(objectives))
    assert isinstance(illustrate([], evaluated, objectives), Mapping), (
        "without a shortlist: expected HTML or SVG by title"
    )
    figures = illustrate(evaluated[: (len(evaluated) + 1) // 2], evaluated, objectives)
    assert figures, "no figure of a shortlist"
    for title, text in figures.items():
        reader = _Attributes()
        reader.feed(text)
        assert reader.tags, f"{title}: neither HTML nor SVG"
        assert reader.tags.isdisjoint({"link", "iframe", "object", "embed", "base"}), f"{title}: has {reader.tags}"
        for name, value in reader.found:
            assert not name.startswith("on"), f"{title}: {name}=... is not run in the report; use addEventListener"
            is_far = name.rpartition(":")[2] in ("src", "href", "srcset") and not value.startswith(("data:", "#"))
            assert not is_far, f"{title}: loads {value}"
        assert "@import" not in text and "url(http" not in text, f"{title}: its style loads something"


def check_density(fit: FitDensity, *, n: int = 200, d: int = 3) -> None:
    """Check a density: smooth, float64, higher at the corpus than far from it."""
    torch.manual_seed(0)
    mean = 0.8 * torch.randn(n, d, dtype=torch.float64)
    density = fit(mean, torch.full_like(mean, 0.2))
    Z = mean[:5].clone().requires_grad_()
    value = density(Z)
    _has_shape(value, (5,), "density")
    assert value.dtype == torch.float64, f"density: expected float64, got {value.dtype}"
    (slope,) = torch.autograd.grad(value.sum(), Z)
    assert bool(torch.isfinite(slope).all()), "density: its gradient is not finite"
    far = density(torch.full((1, d), 30.0, dtype=torch.float64))
    assert float(far.detach()) < float(value.detach().min()), "density: far from the corpus it is not lower than in it"
    _has_shape(density(torch.zeros(4, 2, d, dtype=torch.float64)), (4, 2), "density of a batch")


def check_surrogate(fit: FitSurrogate, *, n: int = 24, d: int = 3, f: int = 0, p: int = 0, m: int = 1) -> None:
    """Check a surrogate: a BoTorch model with `m` outputs that learns a smooth function.

    Args:
        fit: The function.
        n: Number of points.
        d: Latent columns.
        f: Columns of counts beside them.
        p: Columns of descriptors behind these, for a surrogate with a parameter `n_descriptors`.
        m: Outputs.
    """
    X, U = _hill(n, d, f, m)
    X = torch.cat([X, X[:, :p]], dim=1)
    model = fit(X, U, d=d, n_descriptors=p) if p else fit(X, U, d=d)
    assert model.num_outputs == m, f"expected {m} outputs, got {model.num_outputs}"
    posterior: Any = model.posterior(X.unsqueeze(1))
    _has_shape(posterior.mean, (n, 1, m), "posterior.mean")
    assert bool((posterior.variance >= 0).all()), "a variance is negative"
    assert bool(torch.isfinite(posterior.mean).all()), "a mean is not finite"


def check_propose(propose: Propose, *, d: int = 4, n: int = 12) -> None:
    """Check a proposer: `n x d` finite float64 latents that depend on torch's generator alone."""
    scene = landscape(d=d)
    torch.manual_seed(1)
    first = propose(scene, n)
    torch.manual_seed(1)
    second = propose(scene, n)
    _has_shape(first, (n, d), "proposals")
    assert first.dtype == torch.float64, f"proposals: expected float64, got {first.dtype}"
    assert bool(torch.isfinite(first).all()), "a proposal is not finite"
    assert bool(torch.equal(first, second)), "with torch's generator seeded alike, proposals differ"


def check_acquire(acquire: Acquire, *, d: int = 4, m: int = 1) -> None:
    """Check an acquisition: one finite value for each of `n x 1 x d` points."""
    scene = landscape(d=d, m=m)
    torch.manual_seed(1)
    values = acquire(scene)(scene.X[:7].unsqueeze(1))
    _has_shape(values, (7,), "acquisition values")
    assert bool(torch.isfinite(values).all()), "an acquisition value is not finite"


def check_search(search: Any, *, d: int = 4, m: int = 1) -> None:
    """Check a search: each of its proposers, its acquisition and its trust region."""
    for propose in search.propose:
        check_propose(propose, d=d)
    if search.acquire is not None:
        check_acquire(search.acquire, d=d, m=m)
    if search.trust_region is not None:
        box = search.trust_region.bounds(torch.zeros(d, dtype=torch.float64))
        _has_shape(box, (2, d), "trust region bounds")
        assert bool((box[0] < box[1]).all()), "trust region: an empty box"


def landscape(*, n: int = 30, d: int = 4, m: int = 1) -> Landscape:
    """Return a small landscape for trying a proposer or an acquisition: a hill measured at `n` points of `R^d`."""
    X, U = _hill(n, d, 0, m)
    model = SingleTaskGP(X, U, input_transform=Normalize(d))
    model.eval()
    best = X[int(U[:, 0].argmax())]

    def density(Z: Tensor) -> Tensor:
        return -0.5 * Z.square().sum(-1) - 0.5 * d * math.log(2 * math.pi)

    return Landscape(model, model, density, torch.stack([best - 0.8, best + 0.8]), best, X, U, d)


def candidates(designs: Sequence[Any], *, key: Callable[[Any], str] = str, m: int = 1) -> list[Candidate[Any]]:
    """Return designs as candidates of a first round: measured, predicted, and checked."""
    return [
        Candidate(
            design,
            key(design),
            torch.full((3,), float(i), dtype=torch.float64),
            round=1,
            y=(1.5 - i,) * m,
            mean=(1.0 - i,) * m,
            sd=(0.5,) * m,
            log_density=-1.0,
            percentile=50.0,
            status="measured",
            checks=(Check("tried", True), Check("liked", i % 2 == 0, "" if i % 2 == 0 else "odd")),
        )
        for i, design in enumerate(designs)
    ]


class _Attributes(HTMLParser):
    """Parser that collects the tags of a page, and the attributes that have a value."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [(name, value) for name, value in attrs if value and (tag, name) != ("a", "href")]


def _hill(n: int, d: int, f: int, m: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    Z = torch.randn(n, d, dtype=torch.float64, generator=generator)
    U = torch.stack([-(Z - 0.5 * j).square().sum(1) for j in range(m)], dim=1)
    counts = torch.randint(0, 4, (n, f), generator=generator).to(torch.float64)
    return torch.cat([Z, counts], dim=1), U


def _values(oracle: Oracle, designs: Sequence[Any]) -> Array:
    try:
        Y = np.asarray(oracle(designs), dtype=np.float64)
    except InvdesignError as error:
        raise AssertionError(f"the oracle refuses its settings: {error}") from error
    assert Y.ndim in (1, 2) and len(Y) == len(designs), f"expected {len(designs)} rows, got shape {Y.shape}"
    return Y.reshape(len(designs), -1)


def _has_shape(tensor: Tensor, shape: Sequence[int], what: str) -> None:
    assert tuple(tensor.shape) == tuple(shape), f"{what}: expected shape {tuple(shape)}, got {tuple(tensor.shape)}"
