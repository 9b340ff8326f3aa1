"""What is left of an import for the model: read here where no service runs, else waited for."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tamiz.bootstrap.admin import open_admin
from tamiz.bootstrap.admin_http import RemoteAdmin
from tamiz.bootstrap.server import open_service
from tamiz.bootstrap.settings import Settings
from tamiz.service.accept import TRIAGE
from tamiz.service.admin import Admin
from tamiz.service.backfill import left

LOOK = 0.5
"""Seconds between two looks at what is left."""
GRACE = 10.0


def served(admin: Admin) -> bool:
    """Does a service work on the store behind it?"""
    return isinstance(admin, RemoteAdmin)


def catch_up(settings: Settings, tenant: str, look: float = LOOK) -> Iterator[int]:
    """How many imported tickets no model has read yet, again and again until there are none.

    The service that runs reads them; where none does, workers of this process do until the caller goes away. Live tickets
    that wait go first; nothing is written to a desk from here.
    """
    with open_admin(settings) as admin:
        number = admin.unread(tenant)
        yield number
        while number and served(admin):
            time.sleep(look)
            number = admin.unread(tenant)
            yield number
    if number:
        yield from _worked(settings, tenant, look)


def _worked(settings: Settings, tenant: str, look: float) -> Iterator[int]:
    service = open_service(settings, only=(TRIAGE,))
    try:
        service.start()
        while number := left(service.store, tenant):
            yield number
            time.sleep(look)
        yield 0
    finally:
        service.stop(GRACE)
