"""What is handed in of data and runs: figures and lines of text."""
