"""CCTA-IVUS registration against exact truth."""
