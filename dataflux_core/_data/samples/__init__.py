"""Make samples of bytes."""
