"""What the browser shows of data and runs."""
