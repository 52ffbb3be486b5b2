"""Runs as folders and processes: started, watched, stopped, resumed, listed."""
