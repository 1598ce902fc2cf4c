"""Stenoses and the wall that each coronary artery feeds."""
