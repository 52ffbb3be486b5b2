"""The training loop, what stands before its first step, and its checkpoints."""
