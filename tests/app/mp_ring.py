"""The block ring: order, drops with a record, and no allocation."""

import random

import micropython

from app.ring import BUS, FIFO, NO_ANCHOR, RING, BlockRing


def fill(ring, value, n_frames=4):
    view = ring.claim()
    view[0] = value
    ring.commit(n_frames, value, 0, NO_ANCHOR, view)


def test_blocks_come_out_in_the_order_they_went_in():
    ring = BlockRing(8, 3)
    for value in (1, 2, 3):
        fill(ring, value)
    for value in (1, 2, 3):
        assert ring.peek().view[0] == value
        ring.release()
    assert ring.peek() is None


def test_full_ring_drops_the_newest_block_and_records_it():
    ring = BlockRing(8, 2)
    for value in (1, 2, 3):
        fill(ring, value, n_frames=5)
    assert ring.full() and ring.dropped == 5 and ring.pending == [0, 5, 0]
    assert ring.peek().view[0] == 1 and ring.peek().lost == [0, 0, 0]
    ring.release()
    fill(ring, 4)
    ring.release()
    block = ring.peek()
    assert block.view[0] == 4 and block.lost == [0, 5, 0], block.lost
    assert ring.pending == [0, 0, 0]


def test_room_that_appears_between_claim_and_commit_changes_nothing():
    ring = BlockRing(8, 1)
    fill(ring, 1)
    view = ring.claim()
    view[0] = 9
    ring.release()
    ring.commit(4, 0, 0, 0, view)
    assert ring.peek() is None and ring.pending[RING] == 4
    fill(ring, 2)
    assert ring.peek().view[0] == 2 and ring.peek().lost[RING] == 4


def test_a_claim_without_commit_leaves_no_trace():
    ring = BlockRing(8, 2)
    ring.claim()[0] = 9
    assert ring.used() == 0
    fill(ring, 1)
    assert ring.peek().view[0] == 1


def test_losses_travel_in_front_of_the_next_block():
    ring = BlockRing(8, 4)
    fill(ring, 1)
    ring.lose(7, FIFO)
    ring.lose(2, BUS)
    ring.lose(1, FIFO)
    fill(ring, 2)
    fill(ring, 3)
    assert ring.peek().lost == [0, 0, 0]
    ring.release()
    assert ring.peek().lost == [8, 0, 2]
    ring.release()
    assert ring.peek().lost == [0, 0, 0]


def test_every_frame_is_in_a_block_or_in_a_loss():
    random.seed(1)
    for blocks in (1, 2, 5):
        ring = BlockRing(8, blocks)
        made = taken = lost = 0
        for _ in range(3000):
            if random.getrandbits(1):
                n = 1 + random.getrandbits(3)
                made += n
                fill(ring, n, n)
            elif ring.peek():
                block = ring.peek()
                assert block.view[0] == block.n_frames
                taken += block.n_frames
                lost += sum(block.lost)
                ring.release()
        while ring.peek():
            taken += ring.peek().n_frames
            lost += sum(ring.peek().lost)
            ring.release()
        lost += sum(ring.pending)
        assert made == taken + lost, (made, taken, lost)
        assert ring.dropped == lost and ring.high_water == blocks


def test_no_heap():
    ring = BlockRing(8, 2)

    def cycle():
        for _ in range(9):
            view = ring.claim()
            ring.commit(4, 0x3FFFFFFF, 2, 31, view)
            ring.lose(3, FIFO)
        while ring.peek():
            ring.release()

    cycle()
    micropython.heap_lock()
    try:
        cycle()
    finally:
        micropython.heap_unlock()
