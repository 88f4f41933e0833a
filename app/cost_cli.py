"""The commands below ``foretide cost``; what each does stands in its own file, imported when it runs."""

from __future__ import annotations

import typer

from app import (
    cost_allocation_cli,
    cost_commitments_cli,
    cost_forecast_cli,
    cost_reconcile_cli,
    cost_sizing_cli,
    cost_spot_cli,
    cost_unused_cli,
    recommendations_cli,
    resizing_cli,
    savings_cli,
)

cost = typer.Typer(
    help="What it costs: the bill, and what we say against it.",
    invoke_without_command=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cost.command(short_help="Read a FOCUS bill, check it, and hold a model of the costs against it.")(
    cost_reconcile_cli.reconcile
)
cost.callback()(cost_allocation_cli.allocation)
cost.command(short_help="How much to commit to, of a running Foretide or a bill; nothing is bought.")(
    cost_commitments_cli.commitments
)
cost.command(short_help="What containers should ask for; nothing is applied.")(cost_sizing_cli.sizing)
cost.command(short_help="What may run on spot, and what that would save; nothing is moved.")(cost_spot_cli.spot)
cost.command(short_help="What a period comes to, by any grouping, and when an amount is passed.")(
    cost_forecast_cli.forecast
)
cost.command(short_help="What a cluster has and nobody uses; nothing is deleted.")(cost_unused_cli.unused)
cost.command(short_help="How far accepted right-sizings are; --stop gives one back.")(resizing_cli.resizings)
cost.command(short_help="What applied changes were measured to save, and what Foretide costs itself.")(
    savings_cli.savings
)
cost.add_typer(recommendations_cli.recommendations, name="recommendations")
