"""Exercises in convolution by hand: made from a seed, marked cell by cell, on sheets."""
