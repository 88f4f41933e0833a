"""where budgets stand."""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('budget',
    sa.Column('budget', sa.String(length=320), nullable=False),
    sa.Column('threshold', sa.String(length=64), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('body', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('budget', 'threshold', name=op.f('pk_budget'))
    )


def downgrade() -> None:
    op.drop_table('budget')
