"""Keep on this machine what was read, shared by its processes."""
