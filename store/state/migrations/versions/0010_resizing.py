"""right-sizings that were accepted, and where they stand."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "resizing",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("over", sa.Boolean(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resizing")),
    )
    op.create_index(op.f("ix_resizing_over"), "resizing", ["over"])


def downgrade() -> None:
    op.drop_table("resizing")
