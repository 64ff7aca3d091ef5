"""Limits of DNA synthesis vendors."""

from __future__ import annotations

from dataclasses import dataclass

from invdesign.core import InvdesignError


@dataclass(frozen=True)
class Vendor:
    """Limits on a DNA order on a given date; the vendor's own order form is authoritative.

    Raises:
        InvdesignError: A range is not `[low, high]` in percent, or the window is shorter than one base.
    """

    name: str = "any vendor"
    """Display name."""
    date: str = ""
    """Date (ISO) on which the limits were recorded."""
    gc: tuple[float, float] = (25.0, 65.0)
    """Lowest and highest GC content of the whole sequence [percent]."""
    window: int = 50
    """Length of the sliding windows [bp]; shorter orders have none."""
    window_gc: tuple[float, float] = (35.0, 65.0)
    """Lowest and highest GC content of a window [percent]."""
    max_run: int | None = 9
    """Maximum length of a homopolymer [bp]; None for no limit."""
    max_repeat: int | None = 20
    """Maximum length of a repeat, direct or inverted [bp]; None for no limit."""
    sites: tuple[str, ...] = ("BsaI", "BsmBI", "EcoRI", "XbaI", "SpeI", "PstI", "NotI")
    """Enzymes whose restriction sites must not occur, by Biopython's names."""
    min_length: int = 1
    """Minimum length of an order [bp]."""
    max_length: int | None = None
    """Maximum length of an order [bp]; None for no limit."""
    headings: tuple[str, str] = ("Name", "Sequence")
    """Column headings of name and sequence in the vendor's CSV file."""

    def __post_init__(self) -> None:
        for field in ("gc", "window_gc", "sites", "headings"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        for field in ("gc", "window_gc"):
            low, high = getattr(self, field)
            if not 0 <= low < high <= 100:
                raise InvdesignError(f"vendor {self.name!r}: {field} must be [low, high] in percent, got {[low, high]}")
        if self.window < 1:
            raise InvdesignError(f"vendor {self.name!r}: window must be at least 1 base, got {self.window}")


ANY = Vendor()
