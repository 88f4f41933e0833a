"""What the documents of every kind share: strictness, a name, a query."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from rules.fields import DnsLabel, DnsSubdomain, Expression, LabelKey, LabelValue

API_VERSION: Final = "foretide.dev/v1alpha1"


class Strict(BaseModel):
    """Frozen, unknown fields refused; Python code may use our names, documents only theirs (``validate``)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


def mistake(at: str | tuple[str | int, ...], message: str) -> PydanticCustomError:
    """A mistake of a whole model, placed at its field ``at``, or at the path ``at`` below it."""
    path = (at,) if isinstance(at, str) else at
    return PydanticCustomError("rule_field", "{message}", {"message": message, "at": path})


class Metadata(Strict):
    """What the document is called and where it belongs."""

    name: DnsSubdomain
    namespace: DnsLabel = "default"
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)


class Query(Strict):
    """PromQL; in the document a string, or a mapping with ``expr`` and the ``source`` to ask."""

    expr: Expression
    source: DnsLabel | None = None

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Text or mapping."""
        text = {"type": "string", "pattern": r"\S", "maxLength": 8192}
        return {"anyOf": [text, {**handler.resolve_ref_schema(handler(core))}]}

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, data: object) -> object:
        return {"expr": data} if isinstance(data, str) else data
