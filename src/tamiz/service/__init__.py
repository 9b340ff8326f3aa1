"""The use cases of the service, one transaction each. They know the ports and the pipeline, no framework."""
