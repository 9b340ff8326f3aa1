"""`GET /docs`: the OpenAPI as one page of HTML, without scripts and without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "pre{overflow:auto;padding:.75rem;border:1px solid #8888}code{font-family:ui-monospace,monospace}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'"
"""The page's Content-Security-Policy: its own style and nothing else."""


def docs_page(openapi: Mapping[str, Any]) -> str:
    """The page."""
    title = escape(f"{openapi['info']['title']} {openapi['info']['version']}")
    sections = "".join(_sections(openapi["paths"]))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{title}</h1><p>{escape(openapi['info']['description'])}</p>{sections}</main></body></html>"
    )


def _sections(paths: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for path, operations in paths.items():
        for method, operation in operations.items():
            yield f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation.get('description', ''))}</p>"
            yield f"<p>Role: {escape(operation['x-role'])}. Answers: {escape(', '.join(operation['responses']))}.</p>"
            for parameter in operation.get("parameters", ()):
                about = escape(parameter.get("description", ""))
                yield f"<p><code>{escape(parameter['name'])}</code> ({escape(parameter['in'])}) {about}</p>"
            yield from _examples(operation)
            yield "</section>"


def _examples(operation: Mapping[str, Any]) -> Iterator[str]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield f"<pre>{escape(json.dumps(content['example'], indent=2, ensure_ascii=False))}</pre>"
    for status, answer in operation["responses"].items():
        for content in answer.get("content", {}).values():
            if status.startswith("2"):
                text = content["example"]
                shown = text if isinstance(text, str) else json.dumps(text, indent=2, ensure_ascii=False)
                yield f"<p>{status}</p><pre>{escape(shown)}</pre>"
