"""What a person keeps, as a record and as a file."""
