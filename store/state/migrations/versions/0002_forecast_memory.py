"""forecast memory."""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('forecast_memory',
    sa.Column('signal', sa.String(length=400), nullable=False),
    sa.Column('plan', sa.String(length=64), nullable=False),
    sa.Column('saved_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('body', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('signal', name=op.f('pk_forecast_memory'))
    )


def downgrade() -> None:
    op.drop_table('forecast_memory')
