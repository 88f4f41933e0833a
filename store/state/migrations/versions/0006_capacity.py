"""what replicas carry, learned."""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('capacity',
    sa.Column('rule', sa.String(length=320), nullable=False),
    sa.Column('trigger', sa.String(length=64), nullable=False),
    sa.Column('version', sa.String(length=256), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('body', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('rule', 'trigger', name=op.f('pk_capacity'))
    )


def downgrade() -> None:
    op.drop_table('capacity')
