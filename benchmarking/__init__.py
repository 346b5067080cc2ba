"""Answer questions about speed, each by one command."""
