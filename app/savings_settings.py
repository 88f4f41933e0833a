"""Section ``savings`` of foretide.yaml: what applied changes are held against."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

Named = Annotated[str, Field(pattern=r"^[a-z0-9.-]+/(Deployment|StatefulSet|DaemonSet|CronJob)/[a-z0-9.-]+$")]


class SavingsSection(BaseModel):
    """Every workload is ``namespace/Kind/name``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    twins: dict[Named, Named] = {}
    """By workload its twin: one that has the same load and stays as it is. Its cost says what would have been."""

    @field_validator("twins")
    @classmethod
    def _another(cls, twins: dict[str, str]) -> dict[str, str]:
        for one, other in twins.items():
            if one == other:
                raise ValueError(f"{one} cannot be its own twin")
        return twins
