"""The ledger: durable memory of a campaign on disk, as events."""

from invdesign.ledger.events import Recorded
from invdesign.ledger.ledger import Ledger

__all__ = ["Ledger", "Recorded"]
