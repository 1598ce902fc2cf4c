"""Where along the vessel, and how turned: exact search over every place, angle, direction and handedness."""
