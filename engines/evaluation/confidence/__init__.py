"""Fit and check the stated confidence: samples, fit, reliability."""
