"""Live state and long work on Ray: session actors, the directory, the job runner, the trainer.

``ot`` and ``collab`` are pure (no Ray, no I/O, the clock is passed in) and can be tested with plain
values. ``session``, ``directory``, ``jobs``, ``training``, ``parser`` are thin Ray shells around
pure cores; ``stream`` and ``channels`` carry their messages to the ingress replicas. The services
that every surface calls (``sessions``, ``circuits``, ``jobs``, ``learning``) live here too.

Nothing here speaks HTTP. See ``docs/architecture.md``.
"""

NAMESPACE = "synq"
