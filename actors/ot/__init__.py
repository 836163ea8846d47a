"""Operational transformation: pure functions over immutable values.

A document type gives ``apply``, ``map`` (transform over one concurrent operation that was accepted
earlier), ``compose`` and ``invert``. The server maps op by op, never over a composition: composing
is not closed under mapping, and clients that see different batches would diverge
(``docs/protocol.md`` §4).
"""
