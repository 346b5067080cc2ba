"""Values that outlive a run: listings as columns."""
