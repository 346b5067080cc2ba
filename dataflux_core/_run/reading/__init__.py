"""Read objects: through temporary composites or one by one, with nothing left behind."""
