"""What the browser shows of receptive fields: SVG that follows its colours."""
