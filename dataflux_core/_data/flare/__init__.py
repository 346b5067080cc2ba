"""Flare streams: what their chunks hold."""
