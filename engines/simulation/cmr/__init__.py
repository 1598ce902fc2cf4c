"""Invented patients with a coronary CT and a stress-perfusion CMR whose truth is known exactly."""
