"""MQTT topic filters: matching, covering, and the tree that finds subscribers (MQTT 3.1.1 §4.7)."""

from __future__ import annotations

from dataclasses import dataclass, field


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a message on `topic` (no wildcards) is meant by `topic_filter`."""
    return covers(topic_filter, topic)


def covers(wide: str, narrow: str) -> bool:
    """Whether every topic that `narrow` can mean is also meant by `wide`; both may hold wildcards."""
    wide_levels, narrow_levels = wide.split("/"), narrow.split("/")
    for index, level in enumerate(wide_levels):
        if level == "#":
            # `a/#` also means `a` itself, and so covers a filter that ends there.
            return True
        if index >= len(narrow_levels) or narrow_levels[index] == "#":
            return False
        if level != "+" and level != narrow_levels[index]:
            return False
    return len(narrow_levels) == len(wide_levels)


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    names: dict[str, None] = field(default_factory=dict)


class SubscriptionTree:
    """Who subscribed to what; `find` costs the depth of the topic, not the number of subscribers."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, topic_filter: str, name: str) -> None:
        """Let `name` hear `topic_filter`."""
        node = self._root
        for level in topic_filter.split("/"):
            node = node.children.setdefault(level, _Node())
        node.names[name] = None

    def remove(self, topic_filter: str, name: str) -> None:
        """Undo `add`; unknown pairs are ignored, as an MQTT server does."""
        path = [self._root]
        levels = topic_filter.split("/")
        for level in levels:
            child = path[-1].children.get(level)
            if child is None:
                return
            path.append(child)
        path[-1].names.pop(name, None)
        for depth in range(len(levels), 0, -1):
            if path[depth].names or path[depth].children:
                return
            del path[depth - 1].children[levels[depth - 1]]

    def find(self, topic: str) -> list[str]:
        """Names whose filters mean `topic`, each once, sorted so that simulations repeat."""
        found: set[str] = set()
        nodes = [self._root]
        for level in topic.split("/"):
            following: list[_Node] = []
            for node in nodes:
                if (rest := node.children.get("#")) is not None:
                    found.update(rest.names)
                following += [child for key in (level, "+") if (child := node.children.get(key)) is not None]
            nodes = following
        for node in nodes:
            found.update(node.names)
            if (rest := node.children.get("#")) is not None:
                found.update(rest.names)
        return sorted(found)


@dataclass(slots=True)
class _Kept:
    children: dict[str, _Kept] = field(default_factory=dict)
    payload: bytes | None = None


class RetainedTree:
    """The retained message of each topic; `find` costs what the filter means, not what is kept."""

    def __init__(self) -> None:
        self._root = _Kept()

    def put(self, topic: str, payload: bytes) -> None:
        """Keep the latest message of a topic; an empty one takes it away."""
        path = [self._root]
        levels = topic.split("/")
        for level in levels:
            path.append(path[-1].children.setdefault(level, _Kept()))
        path[-1].payload = payload or None
        for depth in range(len(levels), 0, -1):
            if path[depth].payload is not None or path[depth].children:
                return
            del path[depth - 1].children[levels[depth - 1]]

    def find(self, topic_filter: str) -> list[tuple[str, bytes]]:
        """Topics that a filter means, with their messages, sorted so that simulations repeat."""
        levels = topic_filter.split("/")
        nodes: list[tuple[tuple[str, ...], _Kept]] = [((), self._root)]
        for level in levels:
            if level == "#":
                break
            nodes = [found for one in nodes for found in _children(*one, level)]
        if levels[-1] == "#":
            nodes = [found for one in nodes for found in _below(*one)]
        return sorted(("/".join(name), node.payload) for name, node in nodes if node.payload is not None)


def _children(name: tuple[str, ...], node: _Kept, level: str) -> list[tuple[tuple[str, ...], _Kept]]:
    if level == "+":
        return [((*name, key), child) for key, child in node.children.items()]
    child = node.children.get(level)
    return [] if child is None else [((*name, level), child)]


def _below(name: tuple[str, ...], node: _Kept) -> list[tuple[tuple[str, ...], _Kept]]:
    """The node itself, for `a/#` means `a`, and everything under it."""
    found = [(name, node)]
    for one in _children(name, node, "+"):
        found += _below(*one)
    return found
