"""`/predict` and `/predict_batch`: ask the model, and people's words on tickets like this one. Nothing is stored, no
language model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Body, Request, Response
from pydantic import Field

from tamiz.api.context import Context, caller_of, told
from tamiz.api.forms import PredictForm
from tamiz.api.problems import Problem
from tamiz.domain import taxonomy as tx
from tamiz.domain.gate import readable, shown
from tamiz.domain.ticket import RawMessage
from tamiz.domain.triage import Prediction
from tamiz.pipeline.answers import answers
from tamiz.service.flights import SharedModel
from tamiz.service.judge import Judge
from tamiz.service.recall import Recollector

Forms = Annotated[list[PredictForm], Field(min_length=1, max_length=100), Body()]


class Predictions:
    """The endpoints that answer at once."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def predict(self, request: Request, form: PredictForm) -> Response:
        """The most likely labels of one text for one field."""
        return told((await self._predicted(request, [form]))[0])

    async def predict_batch(self, request: Request, forms: Forms) -> Response:
        """The same for several texts, in their order; `inference_ms` is the mean per text."""
        self._context.guard.spend(caller_of(request), len(forms) - 1)
        return told(await self._predicted(request, forms))

    async def _predicted(self, request: Request, forms: Sequence[PredictForm]) -> list[dict[str, Any]]:
        parts, tenant = self._context.parts, caller_of(request).tenant
        judge = parts.judges(tenant)
        judge = replace(judge, model=SharedModel(judge.model, tenant, parts.flights))
        fields = [_field(judge.taxonomy, form.field) for form in forms]
        return await self._context.threads.predict(lambda: self._answers(tenant, judge, forms, fields))

    def _answers(
        self, tenant: str, judge: Judge, forms: Sequence[PredictForm], fields: Sequence[tx.Field]
    ) -> list[dict[str, Any]]:
        clock, memory = self._context.parts.clock, self._context.parts.memory
        started = clock.monotonic()
        texts = [judge.canonicalize(RawMessage(form.subject, form.body)) for form in forms]
        predictions = answers(judge.model, [text.text for text in texts])
        if memory is not None:
            recollector = Recollector(self._context.parts.store, memory, tenant, judge)
            predictions = [
                recollector.voted(text, said) for text, said in zip(texts, predictions, strict=True)
            ]
        each = (clock.monotonic() - started) * 1e3 / len(forms)
        return [
            {**_answer(judge, prediction, field, form.top_k), "inference_ms": round(each, 3)}
            for form, field, prediction in zip(forms, fields, predictions, strict=True)
        ]


def _answer(judge: Judge, prediction: Prediction, field: tx.Field, k: int) -> dict[str, Any]:
    label, confidence = shown(judge.taxonomy, field, prediction, judge.policy)
    leading = readable(field, prediction, judge.policy).top(k + 1)
    return {
        "predicted_label": None if label == tx.NONE else label,
        "confidence": round(confidence, 6),
        "top_k": [{"label": la, "score": round(p, 6)} for la, p in leading if la != tx.NONE][:k],
    }


def _field(taxonomy: tx.Taxonomy, name: str) -> tx.Field:
    for field in taxonomy.choices:
        if field.name == (name or taxonomy.primary):
            return field
    known = ", ".join(field.name for field in taxonomy.choices)
    where = [{"where": "body.field", "problem": f"it is one of: {known}"}]
    raise Problem(422, "The request is not what this address takes.", kind="invalid", errors=where)
