"""Control state: documents seen, the decision ledger, forecasts, the audit trail.

SQLAlchemy tables on SQLite (WAL) or PostgreSQL, migrated by Alembic. One request or tick is one transaction, opened at
the edge with ``State.transaction()``; queries live in the repositories here, which are given a session and only flush.
"""

from store.state.audit import AuditEntry, AuditTrail
from store.state.backtests import BacktestBrief, Backtests
from store.state.budget_totals import BudgetTotal, BudgetTotals
from store.state.budgets import BudgetStandings
from store.state.capacities import LearnedCapacities
from store.state.cost_hours import CostHour, CostHours
from store.state.decisions import DecisionLedger
from store.state.deliveries import Deliveries, DeliveryStatus, Disabled, DisabledReceivers, KeptMessage
from store.state.documents import DocumentsSeen
from store.state.engine import State
from store.state.forecasts import ForecastMemories, ForecastShelf
from store.state.recommendations import Recommendations
from store.state.resizings import ResizingCases
from store.state.shadows import ShadowScores
from store.state.verdicts import Verdicts

__all__ = [
    "AuditEntry", "AuditTrail", "BacktestBrief", "Backtests", "BudgetStandings", "BudgetTotal", "BudgetTotals",
    "CostHour", "CostHours", "DecisionLedger", "Deliveries", "DeliveryStatus", "Disabled", "DisabledReceivers",
    "DocumentsSeen", "ForecastMemories", "ForecastShelf", "KeptMessage", "LearnedCapacities", "Recommendations",
    "ResizingCases", "ShadowScores", "State", "Verdicts",
]  # fmt: skip
