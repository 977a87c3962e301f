"""[HASH-1], [HASH-2]: domain tags are distinct and short enough for BLAKE2b's `person`."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from edge_client.protocol.hashing import Tag, digest


def test_a_digest_is_personalised_blake2b_256() -> None:
    assert digest(Tag.HEADER, b"ab", b"c") == blake2b(b"abc", digest_size=32, person=b"flc/hdr").digest()


def test_no_two_tags_share_a_domain() -> None:
    assert all(len(tag.value) <= 16 and tag.value.startswith(b"flc/") for tag in Tag)
    assert len({tag.value.ljust(16, b"\x00") for tag in Tag}) == len(Tag)


@pytest.mark.parametrize("tag", Tag)
def test_each_tag_gives_another_hash(tag: Tag) -> None:
    assert [other for other in Tag if digest(other, b"x") == digest(tag, b"x")] == [tag]
