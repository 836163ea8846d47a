"""Benchmarks: SynQ beside its peers, on one machine, in the same minute.

What holds here: ratios are the result, absolute numbers are the machine's; the load is open-loop,
so a server that stalls is charged for what came due meanwhile; one generator, one clock and one
socket code drive every server; every process that is started is ended, by its id. See
``README.md``.
"""
