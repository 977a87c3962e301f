"""What a fraud proof says, once it is checked: as facts for programs and as sentences for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge_client.protocol.fraud_checks import NotProven, Proven, Why, Wrong
from edge_client.protocol.keys import node_id

_WRONG = {
    Wrong.MODEL: "its model is not the one that its updates make",
    Wrong.STATE: "its state (accounts, rules, round or seats) is not the one that its records make",
    Wrong.VALIDATORS: "its validators are not those of its epoch",
    Wrong.NEXT_VALIDATORS: "its next validators are not those that were elected",
    Wrong.UNTOLD: "its model, state or validators are not what its records make",
    Wrong.RULES: "it is not allowed on its parent",
}
_WHY_NOT = {
    Why.RIGHT: "executing the block again gives exactly what its header says",
    Why.WRONG_CHAIN: "it is about another chain",
    Why.CONTRADICTED: "its headers contradict your checkpoint: that is wrong, or the chain is forked",
    Why.NOT_LINKED: "it does not show that the chain holds this block, or your checkpoint",
    Why.SET_NOT_REACHED: "its handoffs do not lead to the validators of the block",
    Why.NOT_SIGNED: "no quorum made the block final",
    Why.MISSING: "it lacks what executing the block needs",
    Why.NOT_NAMED: "it holds something else than the chain names",
    Why.BREAKS_OFF: "the block stands on a state that cannot be executed; a block below it is wrong",
}


def facts_of(proven: Proven) -> dict[str, Any]:
    """Everything that is proven."""
    return {
        "proven": True,
        "chain": proven.chain_id.hex(),
        "fraud": {
            "height": proven.height,
            "wrong": [one.value for one in proven.wrong],
            "detail": proven.detail,
            "final_height": proven.final_height,
            "signers": [
                {"index": index, "validator": node_id(key), "key": key.hex()}
                for index, key in zip(proven.signers, proven.keys, strict=True)
            ],
        },
    }


def in_words(proven: Proven) -> Iterator[str]:
    """What is wrong, and who made it final."""
    for one in proven.wrong:
        yield f"proven: the block of height {proven.height} is wrong: {_WRONG[one]} ({proven.detail})"
    yield f"chain {proven.chain_id.hex()}: the block of height {proven.final_height} was made final by"
    for index, key in zip(proven.signers, proven.keys, strict=True):
        yield f"  validator {index}  {node_id(key)}  {key.hex()}"
    yield (
        "at least a quorum of the validators of the block's epoch lied; one that only finalised it may have "
        "trusted them"
    )


def why_not(verdict: NotProven) -> str:
    """Why nothing is proven, in one sentence."""
    return f"{_WHY_NOT[verdict.why]}{f' ({verdict.detail})' if verdict.detail else ''}"
