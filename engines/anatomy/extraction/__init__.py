"""Automatic extraction of vessels from a contrast CTA."""
