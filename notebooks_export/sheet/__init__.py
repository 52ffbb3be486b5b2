"""The exercise sheet as a session."""
