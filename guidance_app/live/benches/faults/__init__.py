"""Faults that are done to a running session, and a judge that relies on none of the session's own states."""
