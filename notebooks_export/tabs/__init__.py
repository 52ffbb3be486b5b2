"""The Export tab: steps in order, the sheet, what is handed in."""
