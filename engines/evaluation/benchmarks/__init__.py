"""Speed and accuracy of renderers, runtimes and registration methods, each compared with a peer."""
