"""What leaves the IVUS room: figure, table, geometry, and a film of the scrub."""
