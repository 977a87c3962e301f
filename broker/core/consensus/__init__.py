"""Simplex consensus as a pure machine (rules R1-R6, J1-J4: docs/adr/0004-consensus.md).

`simplex.py` is the transition table; start there. Its host, the validator, owns blocks and bodies; this
package knows headers, votes and certificates only.
"""
