"""Complete, frozen configurations, each made by one function."""
