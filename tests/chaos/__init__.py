"""Things that break, and people who go on typing: what the fault tests and `make chaos` share.

`people` types and has the run judged by `tests.checker`; `services` and `nodes` are databases and
Ray nodes that can be killed; `faults` is what can be done to them; `__main__` does it at random.
"""
