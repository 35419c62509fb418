"""The methods: settings, one iteration, stages; batch -> updated networks."""
