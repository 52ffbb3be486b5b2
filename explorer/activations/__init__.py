"""What layers put out: captured, reduced to maps, described."""
