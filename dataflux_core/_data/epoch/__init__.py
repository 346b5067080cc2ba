"""Feed the samples of an epoch to a training loop."""
