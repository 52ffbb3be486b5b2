"""What a person can keep: one file a family, each kind with its stable name, its parameters and its cell."""
