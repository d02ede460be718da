"""The order of batches: it hangs on seed and epoch, is shared by devices, and goes on where it was cut."""

from __future__ import annotations

from zoo.training.loader import EpochShuffle, TrainingLoader


def test_devices_share_the_rows_of_an_epoch() -> None:
    alone = EpochShuffle(11, seed=4)
    parts = [EpochShuffle(11, seed=4, device=device, devices=3) for device in range(3)]
    for epoch in (0, 1):
        for each in (alone, *parts):
            each.set_epoch(epoch)
        shares = [list(part) for part in parts]
        assert [len(share) for share in shares] == [3, 3, 3]
        assert [row for rows in zip(*shares, strict=True) for row in rows] == list(alone)[:9]
        assert sorted(alone) == list(range(11))


def loader(batch_size: int = 4, skip: int = 0) -> TrainingLoader:
    return TrainingLoader(EpochShuffle(23, seed=4), batch_size, list, skip)


def test_a_loader_goes_on_behind_the_batches_that_were_had() -> None:
    whole = list(loader())
    assert [len(batch) for batch in whole] == [4] * 5
    cut = loader()
    batches = iter(cut)
    assert [next(batches), next(batches)] == whole[:2]
    resumed = loader(skip=cut.had)
    assert len(resumed) == 5
    assert list(resumed) == whole[2:]
    assert list(resumed) == whole  # the next epoch is a whole one, of the same order as long as no epoch is set


def test_after_a_whole_epoch_nothing_is_left_out() -> None:
    done = loader()
    whole = list(done)
    assert done.had == 0
    assert list(done) == whole


def test_a_set_smaller_than_a_batch_is_one_batch() -> None:
    (batch,) = loader(batch_size=64)
    assert sorted(batch) == list(range(23))
