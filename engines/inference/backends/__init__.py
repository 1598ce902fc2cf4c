"""The runtimes that execute a network on this machine, each behind the `Backend` interface."""
