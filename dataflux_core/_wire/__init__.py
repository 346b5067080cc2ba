"""Translations between values and HTTP messages; nothing here opens a connection."""
