"""The sockets' side: handshakes, limits, and the hub that joins sockets to actors.

``handshake`` decides who may open a socket; ``limits`` how much one may say; ``outbox`` what a slow
reader gets; ``socket`` translates one client's messages; ``hub`` carries them to the session actors
and fans their batches out. See ``docs/protocol.md``.
"""
