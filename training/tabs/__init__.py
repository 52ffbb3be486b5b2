"""The training lab on the page: four steps, from left to right."""
