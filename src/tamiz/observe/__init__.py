"""Hooks on frozen events: structured logs and Prometheus. They hear of tickets by id, never by text."""
