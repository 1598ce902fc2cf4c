"""What the IVUS room shows of a result: frame and cross-section, lanes, profiles, candidates, artery."""
