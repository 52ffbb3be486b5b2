"""Images to train on: read, kept, augmented, put into batches."""
