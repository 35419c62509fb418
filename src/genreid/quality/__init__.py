"""Generated images + real ones -> figures of their quality; one metric, one file, one protocol."""
