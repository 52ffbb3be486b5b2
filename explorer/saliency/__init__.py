"""Which pixels speak for a class: methods, and the comparison of two classes."""
