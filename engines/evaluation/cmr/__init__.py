"""Accuracy of the CT-CMR fusion against simulated truth, and fusions of whole cohorts."""
