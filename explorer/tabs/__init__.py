"""The page of the explorer: screens, and what they share."""
