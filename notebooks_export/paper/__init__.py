"""What the PDF is made of: typesetting, words, formulas, scales of colours."""
