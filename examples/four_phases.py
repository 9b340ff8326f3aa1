"""Ask, poll, ask the same in other words, correct, ask again: the life of a ticket against a running service.

tamiz serve --open &
python examples/four_phases.py http://127.0.0.1:8000 [key]
"""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any

ASKED = "Outlook does not open since this morning, error 0x8004010F"
IN_OTHER_WORDS = "since this morning I can not open Outlook, it says error 0x8004010F"
NEXT = "I cannot open Outlook since this morning, error 0x8004010F"
TURNED_ROUND = "Outlook does open since this morning, error 0x8004010F"


def call(address: str, key: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """GET, or POST where there is a body; the answer as JSON."""
    headers = {"Content-Type": "application/json", **({"X-API-Key": key} if key else {})}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def asked(base: str, key: str, text: str) -> dict[str, Any]:
    """Hand a ticket in and wait until it is triaged."""
    accepted = call(f"{base}/classify", key, {"subject": "", "body": text})
    print(f"   202 at once: {accepted['ticket_id']}")
    ticket = call(f"{base}{accepted['location']}?wait=30", key)
    category = ticket["triage"]["fields"]["category"]
    print(
        f"   {ticket['status']}: category {category['value']} ({category['confidence']:.0%}, {category['decision']})"
    )
    return ticket


def corrected(base: str, key: str, ticket: dict[str, Any], **values: str) -> None:
    """Give fields of a ticket the right values."""
    done = call(f"{base}/tickets/{ticket['ticket_id']}/feedback", key, {"fields": values})
    assert done["status"] == "Human_Corrected", done["status"]
    assert value(done) == values["category"]
    print(f"   {done['status']}: category {value(done)}")


def value(ticket: dict[str, Any]) -> str:
    """The ticket's category."""
    found: str = ticket["triage"]["fields"]["category"]["value"]
    return found


def main(base: str, key: str = "") -> None:
    """All four phases; AssertionError where one does not end as it must."""
    print("1. A ticket is accepted at once and triaged behind the scenes.")
    first = asked(base, key, ASKED)
    assert first["status"] in ("Classified_By_AI", "Needs_Human"), first["status"]
    print("2. It can be asked for again.")
    again = call(f"{base}/tickets/{first['ticket_id']}", key)
    assert again["triage"] == first["triage"]
    print("3. The same in other words is answered from memory; what is turned round is not.")
    other = asked(base, key, IN_OTHER_WORDS)
    assert (other["status"], value(other)) == ("Classified_By_Cache", value(first)), other["status"]
    assert asked(base, key, TURNED_ROUND)["status"] != "Classified_By_Cache"
    print("4. A person corrects what memory had answered, and the next ticket follows.")
    corrected(base, key, other, category="Access", subcategory="Permissions")
    following = asked(base, key, NEXT)
    assert (following["status"], value(following)) == ("Classified_By_Cache", "Access"), following["status"]
    same = asked(base, key, ASKED)
    assert value(same) == "Access", value(same)
    print("All four phases ended as they must.")


if __name__ == "__main__":
    main(*sys.argv[1:3])
