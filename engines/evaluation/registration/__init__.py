"""Accuracy of registration: subjects, starts, trials, figures."""
