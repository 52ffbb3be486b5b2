"""The page around the screens: sidebar, address, endpoints."""
