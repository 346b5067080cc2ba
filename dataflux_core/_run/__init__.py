"""The only package that waits, retries and closes."""
