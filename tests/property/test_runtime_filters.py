from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_client.runtime.filters import RetainedTree, SubscriptionTree, covers, matches

LEVEL = st.sampled_from(["a", "b", "c"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join)
FILTER = st.tuples(
    st.lists(st.sampled_from(["a", "b", "c", "+"]), min_size=1, max_size=4), st.sampled_from([[], ["#"]])
).map(lambda parts: "/".join(parts[0] + parts[1]))


@given(st.lists(st.tuples(FILTER, st.sampled_from(["x", "y", "z"]), st.booleans()), max_size=20), TOPIC)
def test_the_tree_finds_whom_matches_names(changes: list[tuple[str, str, bool]], topic: str) -> None:
    tree, pairs = SubscriptionTree(), set()
    for topic_filter, name, add in changes:
        if add:
            tree.add(topic_filter, name)
            pairs.add((topic_filter, name))
        else:
            tree.remove(topic_filter, name)
            pairs.discard((topic_filter, name))
    expected = {name for topic_filter, name in pairs if matches(topic_filter, topic)}
    assert tree.find(topic) == sorted(expected)


@given(FILTER, FILTER, TOPIC)
def test_a_covering_filter_matches_all_that_the_covered_one_matches(
    wide: str, narrow: str, topic: str
) -> None:
    if covers(wide, narrow) and matches(narrow, topic):
        assert matches(wide, topic)


@given(st.lists(st.tuples(TOPIC, st.sampled_from([b"", b"1", b"2"])), max_size=20), FILTER)
def test_the_retained_tree_finds_what_matches_names(puts: list[tuple[str, bytes]], topic_filter: str) -> None:
    tree, kept = RetainedTree(), {}
    for topic, payload in puts:
        tree.put(topic, payload)
        kept[topic] = payload
    expected = sorted((topic, one) for topic, one in kept.items() if one and matches(topic_filter, topic))
    assert tree.find(topic_filter) == expected
