"""Commands that prepare: cases, calibration, archive, simulation."""
