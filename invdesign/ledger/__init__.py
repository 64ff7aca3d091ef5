"""The ledger: a campaign's durable memory on disk."""

from invdesign.ledger.ledger import Evaluation, Ledger

__all__ = ["Evaluation", "Ledger"]
