from __future__ import annotations

import pytest

from edge_client.runtime.filters import SubscriptionTree, covers, matches


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("+", "a/b", False),
        ("a/+", "a/", True),
    ],
)
def test_matches(topic_filter: str, topic: str, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("a/+", "a/+", True),
        ("a/b", "a/+", False),
        ("a/+", "a/#", False),
        ("a/#", "a/#", True),
        ("a/#", "a/+/c", True),
        ("a/b/#", "a/#", False),
        ("+/b", "a/b", True),
        ("a/+/+", "a/#", False),
    ],
)
def test_covers(wide: str, narrow: str, expected: bool) -> None:
    assert covers(wide, narrow) is expected


def test_removing_the_last_subscription_leaves_nothing_behind() -> None:
    tree = SubscriptionTree()
    tree.add("a/+/c", "x")
    tree.add("a/b", "y")
    tree.remove("a/+/c", "x")
    tree.remove("a/+/c", "x")
    assert tree.find("a/q/c") == []
    assert tree.find("a/b") == ["y"]
    tree.remove("a/b", "y")
    assert tree._root.children == {}
