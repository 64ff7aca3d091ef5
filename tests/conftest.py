"""Fixtures of all tests, and the check of declared array shapes at run time."""

from collections.abc import Iterator

import jaxtyping
import pytest

SHAPED = ["invdesign.vae", "invdesign.latent", "invdesign.surrogate", "invdesign.search"]
"""Packages whose public signatures declare array shapes."""

jaxtyping.install_import_hook(SHAPED, "runtime_types.check")


@pytest.fixture
def without_type_checks() -> Iterator[None]:
    """Switch off the check of types at run time, for tests that pass wrong ones on purpose."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
