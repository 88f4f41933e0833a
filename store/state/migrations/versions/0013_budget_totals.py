"""what a budget's period had cost by an instant."""

import sqlalchemy as sa
from alembic import op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('budget_total',
    sa.Column('budget', sa.String(length=320), nullable=False),
    sa.Column('period', sa.DateTime(timezone=True), nullable=False),
    sa.Column('counted', sa.String(length=16), nullable=False),
    sa.Column('until', sa.DateTime(timezone=True), nullable=False),
    sa.Column('amount', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('budget', 'period', name=op.f('pk_budget_total'))
    )


def downgrade() -> None:
    op.drop_table('budget_total')
