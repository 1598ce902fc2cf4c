"""The coronary network on real angiograms whose main vessels are marked (ARCADE's form), beside synthetic ones."""
