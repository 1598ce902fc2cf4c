"""Every fault done to a running session, and a judge that trusts none of its states."""
