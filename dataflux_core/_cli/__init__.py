"""The commands of `dataflux`, a module each; google-cloud-storage is imported only by those that need it."""
