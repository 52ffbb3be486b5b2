"""What is handed in of receptive fields: figures and pictures."""
