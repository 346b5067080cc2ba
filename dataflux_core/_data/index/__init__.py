"""Tell which samples there are."""
