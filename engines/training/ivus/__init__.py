"""Evidence and trust of CCTA-IVUS registration, learned on simulated pairs."""
