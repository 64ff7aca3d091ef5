"""What a maker of DNA takes: a dated profile of limits."""

from __future__ import annotations

from dataclasses import dataclass

from invdesign.core import InvdesignError


@dataclass(frozen=True)
class Vendor:
    """Limits on a DNA order, as they were on a day; a vendor's own order form has the last word.

    Args:
        name: shown to people.
        date: the day (ISO) on which the limits were written down.
        gc: lowest and highest GC content of the whole, percent.
        window: bases of the windows that slide along it; shorter orders have none.
        window_gc: lowest and highest GC content of a window, percent.
        max_run: bases of the longest homopolymer; None for no limit.
        max_repeat: bases of the longest repeat, direct or inverted; None for no limit.
        sites: enzymes whose restriction sites must not occur, by Biopython's names.
        min_length: bases of the shortest order.
        max_length: bases of the longest order; None for no limit.
        headings: of name and sequence in the vendor's CSV.
    """

    name: str = "any vendor"
    date: str = ""
    gc: tuple[float, float] = (25.0, 65.0)
    window: int = 50
    window_gc: tuple[float, float] = (35.0, 65.0)
    max_run: int | None = 9
    max_repeat: int | None = 20
    sites: tuple[str, ...] = ("BsaI", "BsmBI", "EcoRI", "XbaI", "SpeI", "PstI", "NotI")
    min_length: int = 1
    max_length: int | None = None
    headings: tuple[str, str] = ("Name", "Sequence")

    def __post_init__(self) -> None:
        for field in ("gc", "window_gc", "sites", "headings"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        for field in ("gc", "window_gc"):
            low, high = getattr(self, field)
            if not 0 <= low < high <= 100:
                raise InvdesignError(f"vendor {self.name!r}: {field} is [low, high] in percent, got {[low, high]}")
        if self.window < 1:
            raise InvdesignError(f"vendor {self.name!r}: window must be at least 1 base, got {self.window}")


ANY = Vendor()
