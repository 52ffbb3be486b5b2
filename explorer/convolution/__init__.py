"""The arithmetic of a convolution, window by window, in numbers, words, on the page and on paper."""
