"""Read objects wherever they lie."""
