"""Vessels from a contrast CTA without a person."""
