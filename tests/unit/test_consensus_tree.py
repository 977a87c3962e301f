"""Links between blocks and certificates: paths to the decided head, and what may be built on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broker.core.consensus.certificates import CertificatePool
from broker.core.consensus.events import FinalBlock
from broker.core.consensus.justification import Parent, check_shape
from broker.core.consensus.tree import Block, BlockTree, ForkError, Missing
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.votes import VoteKind
from tests.simulation.consensus_parts import CHAIN_ID, GENESIS, ROOT, Committee, hash_of

FOUR = Committee(4)
A, B, C = b"a" * 32, b"b" * 32, b"c" * 32


def block(name: bytes, height: int, parent: bytes, seals: bool = False) -> Block:
    header = replace(FOUR.header(height), height=height)
    return Block(name, header, Parent(parent, height - 1, height - 1), seals)


class TestTree:
    def test_a_path_goes_from_above_the_head_to_the_block(self):
        tree = BlockTree(GENESIS)
        blocks = [block(A, 1, CHAIN_ID), block(B, 2, A), block(C, 3, B)]
        for one in reversed(blocks):
            tree.add(one)
        assert tree.path(Missing(C, 3, 3)) == blocks
        tree.advance(FinalBlock(2, B, 2, None))
        assert tree.path(Missing(C, 3, 3)) == blocks[2:]
        assert (tree.knows(A), tree.knows(B), tree.knows(C)) == (False, True, True)

    def test_the_highest_missing_block_is_named(self):
        tree = BlockTree(GENESIS)
        tree.add(block(C, 3, B))
        assert tree.path(Missing(C, 3, 3)) == Missing(B, 2, 2)

    def test_a_block_beside_the_head_is_a_fork(self):
        tree = BlockTree(FinalBlock(1, A, 1, None))
        tree.add(block(C, 2, B))
        with pytest.raises(ForkError, match="two branches"):
            tree.path(Missing(C, 2, 2))

    def test_a_block_below_the_head_is_a_fork(self):
        with pytest.raises(ForkError, match="two branches"):
            BlockTree(FinalBlock(2, B, 2, None)).path(Missing(A, 1, 9))

    def test_nothing_follows_a_block_that_seals_the_epoch_or_is_not_here(self):
        tree = BlockTree(GENESIS)
        tree.add(block(A, 1, CHAIN_ID))
        tree.add(block(B, 1, CHAIN_ID, seals=True))
        follows = [tree.may_follow(Parent(name, 1, 1)) for name in (A, B, C)]
        assert follows == [True, False, False]
        assert tree.may_follow(ROOT)

    def test_blocks_at_or_below_the_head_are_not_kept(self):
        tree = BlockTree(FinalBlock(2, B, 2, None))
        tree.add(block(A, 1, CHAIN_ID))
        assert not tree.knows(A)


class TestPool:
    def test_it_keeps_one_certificate_of_a_kind_and_slot(self):
        pool = CertificatePool(GENESIS, ROOT)
        assert pool.add(FOUR.nc(FOUR.header(1)))
        assert not pool.add(FOUR.nc(FOUR.header(1, text=b"other")))
        assert pool.add(FOUR.zc(1))
        assert pool.get(VoteKind.NOTARIZE, 1) == FOUR.nc(FOUR.header(1))

    def test_a_notarised_parent_wins_over_the_nullification_of_its_slot(self):
        pool = CertificatePool(GENESIS, ROOT)
        nc = FOUR.nc(FOUR.header(1))
        for one in (nc, FOUR.zc(1), FOUR.zc(2)):
            pool.add(one)
        assert pool.justify(3) == (nc, FOUR.zc(2))
        assert pool.justify(2) == (nc,)
        assert pool.justify(4) is None

    def test_a_head_without_its_certificate_justifies_nothing(self):
        pool = CertificatePool(FinalBlock(1, A, 1, None), ROOT)
        assert pool.justify(2) is None
        assert CertificatePool(GENESIS, ROOT).justify(1) == ()

    def test_the_root_of_a_later_epoch_needs_no_certificate(self):
        root = Parent(A, 7, 12)
        pool = CertificatePool(FinalBlock.root(root), root)
        assert (pool.next_slot, pool.justify(13)) == (13, ())
        pool.add(FOUR.zc(13))
        assert pool.justify(14) == (FOUR.zc(13),)

    @pytest.mark.parametrize(
        ("held", "again"),
        [
            ((), False),
            ((FOUR.nc(FOUR.header(1)),), False),
            ((FOUR.nc(FOUR.header(1)), FOUR.zc(3)), False),
            ((FOUR.nc(FOUR.header(1)), FOUR.zc(2), FOUR.zc(3)), True),
            ((FOUR.nc(FOUR.header(1)), FOUR.nc(FOUR.header(1), slot=3)), True),
            ((FOUR.nc(FOUR.header(1)), FOUR.nc(FOUR.header(2)), FOUR.zc(2), FOUR.zc(3)), True),
            ((FOUR.nc(FOUR.header(1)), FOUR.nc(FOUR.header(2)), FOUR.zc(3)), False),
            ((FOUR.zc(1), FOUR.zc(2), FOUR.zc(3)), False),
            ((FOUR.fc(FOUR.header(1)), FOUR.zc(2), FOUR.zc(3)), False),
        ],
        ids=["nothing", "gaps", "a gap", "nullified", "again before", "beside", "another", "no NC", "final"],
    )
    def test_what_may_be_proposed_again(self, held, again):
        pool = CertificatePool(GENESIS, ROOT)
        for one in held:
            pool.add(one)
        assert pool.justifies_again(4, hash_of(FOUR.header(1))) is again

    @pytest.mark.parametrize(
        ("theirs", "lacking"),
        [
            ((), True),
            ((FOUR.fc(FOUR.header(1)),), True),
            ((FOUR.fc(FOUR.header(1)), FOUR.zc(3)), False),
            ((FOUR.fc(FOUR.header(4)),), False),
        ],
    )
    def test_who_lacks_what(self, theirs, lacking):
        pool = CertificatePool(GENESIS, ROOT)
        pool.add(FOUR.fc(FOUR.header(1)))
        pool.add(FOUR.zc(3))
        assert pool.lacking(theirs) is lacking


class TestShape:
    ONE = FOUR.header(1)

    @pytest.mark.parametrize("certify", [FOUR.nc, FOUR.fc])
    def test_parent_and_gaps(self, certify):
        just = (certify(self.ONE), FOUR.zc(2), FOUR.zc(3))
        assert check_shape(FOUR.header(4, self.ONE, just), just, ROOT) == Parent(hash_of(self.ONE), 1, 1)
        assert check_shape(self.ONE, (), ROOT) == ROOT

    def test_the_slots_count_from_the_certificate(self):
        """Not from the slot in which the parent was proposed first."""
        just = (FOUR.fc(self.ONE, slot=3),)
        assert check_shape(FOUR.header(4, self.ONE, just), just, ROOT) == Parent(hash_of(self.ONE), 1, 3)

    def test_the_first_block_of_a_later_epoch(self):
        root = Parent(A, 7, 2)
        header = replace(FOUR.header(4, just=[FOUR.zc(3)]), height=8)
        assert check_shape(header, (FOUR.zc(3),), root) == root
        with pytest.raises(ProtocolError):
            check_shape(header, (FOUR.zc(3),), Parent(A, 7, 1))

    @pytest.mark.parametrize(
        "just",
        [
            (),
            (FOUR.zc(2), FOUR.zc(3)),
            (FOUR.fc(FOUR.header(1)), FOUR.zc(3), FOUR.zc(2)),
            (FOUR.fc(FOUR.header(1)), FOUR.zc(2)),
            (FOUR.fc(FOUR.header(1)), FOUR.nc(FOUR.header(2)), FOUR.zc(3)),
            (FOUR.fc(FOUR.header(5)),),
        ],
    )
    def test_anything_else_is_refused(self, just):
        with pytest.raises(ProtocolError):
            check_shape(FOUR.header(4, self.ONE, just), just, ROOT)
