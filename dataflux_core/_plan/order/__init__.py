"""Decide in which order samples come, which of them are whose."""
