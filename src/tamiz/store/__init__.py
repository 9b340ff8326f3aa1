"""Durable state: the Store port over SQLite (one process, group commit) and PostgreSQL."""
