"""The ledger: a campaign's durable memory on disk, and the ways of writing that survive a kill."""

from invdesign.ledger.files import probe, sha256_of, write_atomically
from invdesign.ledger.memory import Evaluation, Ledger
from invdesign.ledger.plain import differences, from_plain, to_plain

__all__ = [
    "Evaluation",
    "Ledger",
    "differences",
    "from_plain",
    "probe",
    "sha256_of",
    "to_plain",
    "write_atomically",
]
