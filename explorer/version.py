"""This program's version: the one place where it is written. The package that pip builds reads it here, too."""

__version__ = "0.2.0"
