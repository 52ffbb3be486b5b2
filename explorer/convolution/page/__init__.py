"""What the browser shows of a convolution: HTML with SVG."""
