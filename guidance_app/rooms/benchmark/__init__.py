"""The benchmark room: how fast the live path is on this machine, measured while nobody is guided."""
