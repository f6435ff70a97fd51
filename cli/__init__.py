"""The command line `portico`: a client of the REST API and nothing else. It imports nothing of the server but the writer of YAML."""
