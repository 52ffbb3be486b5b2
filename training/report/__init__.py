"""What the numbers of runs say, on the page and on paper."""
