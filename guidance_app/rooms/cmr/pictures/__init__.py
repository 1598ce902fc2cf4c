"""What the CMR room shows of a result: sections, cine, curves, bull's eye and heart."""
