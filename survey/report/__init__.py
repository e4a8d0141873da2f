"""Figures and pages of the results of a survey."""
