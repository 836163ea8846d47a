"""The surfaces, on Ray Serve: WebSocket ingress, REST, GraphQL, the workbench's files, inference.

A deployment translates between a wire and the services of ``actors``; it decides nothing itself.
See ``docs/architecture.md``.
"""
