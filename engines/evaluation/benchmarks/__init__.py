"""Speed and accuracy of renderers, runtimes and registration, each beside its peer."""
