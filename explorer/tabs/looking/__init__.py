"""Screens that look into one network with one picture."""
