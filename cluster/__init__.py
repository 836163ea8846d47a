"""What every process of SynQ shares: settings, storage, identity, logging, and starting Ray.

This is the leftmost room of the house (``cluster ← quantum ← train ← actors ← deployments``):
it imports none of the others, except for ``cluster.cli``, the composition root, which imports them
lazily. It speaks no HTTP, knows nothing of operational transformation and never imports torch.

See ``docs/architecture.md``.
"""

__version__ = "0.1.0"
PROTOCOL_VERSION = 1
