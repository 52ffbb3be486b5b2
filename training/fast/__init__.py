"""Kernels and recorded steps that make small networks quick; everything else stays with PyTorch."""
