"""Decisions as values: key space, splits, groups, order; no socket, clock, thread or environment here."""
