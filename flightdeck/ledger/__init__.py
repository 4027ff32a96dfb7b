"""What must be right to the last row: transactional, in SQLite or PostgreSQL. Open it with :meth:`Ledger.open`."""

from flightdeck.ledger.ledger import Ledger

__all__ = ["Ledger"]
