"""Cases with exact truth: EVT, TAVI, coronary."""
