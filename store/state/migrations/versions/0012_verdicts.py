"""what applied changes were measured to save."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "verdict",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("saving", sa.String(length=64), nullable=False),
        sa.Column("p10", sa.String(length=64), nullable=False),
        sa.Column("p90", sa.String(length=64), nullable=False),
        sa.Column("promised", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", "at", name=op.f("pk_verdict")),
    )


def downgrade() -> None:
    op.drop_table("verdict")
