"""Circuits in and out, choosing a simulator, and the Ray tasks that run it.

Programs come from strangers. Nothing here executes them as code, and every cost is bounded before
it is paid: ``scan`` and ``counting`` read the raw text and count what it would expand to without
expanding it; ``read``, ``qasm3`` and ``lowering`` hand it to Qiskit's parsers and turn their
complaints into diagnostics with lines and columns; ``plan`` chooses a simulation method and refuses
what does not fit in memory before any of it is allocated; ``simulate`` runs one circuit on Aer,
``tasks`` a batch on Ray. ``drawing`` lays a circuit out for a page.

``document`` is the circuit that people edit together, over the table of ``gates`` and the
arithmetic of ``expression``. ``convert`` makes one of a program, ``write`` a program of one,
``export`` a file of either.

Bit order is Qiskit's everywhere: the rightmost character of an outcome is bit 0 of the register
declared first, and registers are separated by spaces. No storage, no HTTP. See
``docs/simulation.md``.
"""
