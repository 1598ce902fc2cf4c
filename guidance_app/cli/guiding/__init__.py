"""Commands that guide, replay, record and export."""
