"""Trials in which workers die: drawn from a seed, run under an outside watchdog, judged by an oracle of its own.

::

    conductor --order--> host: runs trial after trial --> run directory --> oracle --> faults found
        |                  +-- workers (any start method), some with traps on their way
        +-- kills workers at random instants; kills the host where a trial takes too long
"""
