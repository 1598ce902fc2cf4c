"""Files and pictures that a fusion leaves."""
