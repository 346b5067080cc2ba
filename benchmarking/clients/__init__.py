"""Do the work of a benchmark, each module with one client.

They run in fresh processes, some by the interpreter of another environment, where this checkout stands last on the
path: upstream's package has the name of ours.
"""
