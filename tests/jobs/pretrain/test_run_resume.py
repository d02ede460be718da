"""A pretraining that was cut off, killed or had no disk left goes on where it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.tinyrecipe import EXAMPLE, FILES, KILLED, RECIPE, example, write

from zoo.errors import InputError
from zoo.jobs.pretrain import run
from zoo.jobs.pretrain.recipe import read_recipe
from zoo.jobs.pretrain.rows import PARTS
from zoo.jobs.pretrain.run import pretrain
from zoo.models.checkpoint import weights
from zoo.models.network import CrystalNetwork
from zoo.training import snapshots
from zoo.training.snapshots import SNAPSHOT, read_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from zoo.data.graphs.batch import GraphBatch
    from zoo.jobs.pretrain.card import Report
    from zoo.training.fit import FitResult


class _Cut(Exception):  # noqa: N818
    pass


def test_a_run_that_was_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second epoch is cut off; the resumed run does that epoch alone and ends where an uncut one does."""
    monkeypatch.setattr(snapshots, "SECONDS", 0.0)  # epochs of a moment
    recipe, out = read_recipe(write(tmp_path / "recipe")), tmp_path / "tiny"
    uncut = pretrain(recipe, [EXAMPLE], tmp_path / "uncut", quiet=True)
    real, histories = run.fit, []

    def cut(*args: object, **kwargs: object) -> FitResult:
        def stop(row: dict[str, float], _epochs: int) -> None:
            if row["epoch"] == 2:
                raise _Cut

        return real(*args, **{**kwargs, "on_epoch": stop})  # type: ignore[arg-type]

    def watched(*args: object, **kwargs: object) -> FitResult:
        tell = kwargs.pop("on_epoch")

        def note(row: dict[str, float], epochs: int) -> None:
            histories.append(row["epoch"])
            tell(row, epochs)  # type: ignore[operator]

        return real(*args, **{**kwargs, "on_epoch": note})  # type: ignore[arg-type]

    monkeypatch.setattr(run, "fit", cut)
    with pytest.raises(_Cut):
        pretrain(recipe, [EXAMPLE], out, quiet=True)
    assert not out.exists()
    monkeypatch.setattr(run, "fit", watched)
    with pytest.raises(InputError, match=r"tiny\.partial holds an unfinished run; give --resume"):
        pretrain(recipe, [EXAMPLE], out, quiet=True)
    other = read_recipe(write(tmp_path / "other", RECIPE.replace("1e-2", "2e-2")))
    with pytest.raises(InputError, match=r"other settings \(recipe\.fit\.learning_rate\); give the same"):
        pretrain(other, [EXAMPLE], out, resume=True, quiet=True)
    example().iloc[:100].to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(InputError, match=r"started with other settings \(table\); give the same"):
        pretrain(recipe, [tmp_path / "data.csv"], out, resume=True, quiet=True)
    assert histories == []
    resumed = pretrain(recipe, [EXAMPLE], out, resume=True, quiet=True)
    assert histories == [2]
    for each, expected in zip(resumed, uncut, strict=True):
        assert each.errors["mae"] == pytest.approx(expected.errors["mae"], rel=1e-3)
    assert sorted(path.name for path in out.iterdir()) == FILES


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four epochs of seven steps, with averaged weights; in the folder ``uncut`` what an uncut run makes of them."""
    folder = tmp_path_factory.mktemp("longer")
    text = RECIPE.replace("epochs = 2", "epochs = 4").replace("batch_size = 8", "batch_size = 4\naverage = 0.9")
    pretrain(read_recipe(write(folder, text)), [EXAMPLE], folder / "uncut", device="cpu", quiet=True)
    return folder


def run_until(step: int, end: str, folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    options = [
        "pretrain",
        str(folder / "tiny.toml"),
        "--data",
        str(EXAMPLE),
        "--out",
        str(out),
        "--device",
        "cpu",
        "-q",
    ]
    command = [sys.executable, "-c", KILLED.replace("HERE", end), str(step), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def assert_resumed(folder: Path, out: Path) -> None:
    """The resumed run ends where the uncut one does."""
    pretrain(read_recipe(folder / "tiny.toml"), [EXAMPLE], out, device="cpu", resume=True, quiet=True)
    errors = [weights.read_config(path).provenance["errors"] for path in (folder / "uncut", out)]
    for part in PARTS:
        for metric in ("mae", "rmse"):
            assert errors[1][part][metric] == pytest.approx(errors[0][part][metric], rel=1e-6)
    assert not list(out.parent.glob("*.partial"))


def test_a_run_killed_in_mid_epoch_ends_where_an_uncut_one_does(longer: Path, tmp_path: Path) -> None:
    """Killed without warning after the fourth of the seven steps of the third epoch."""
    killed = run_until(18, "os.kill(os.getpid(), signal.SIGKILL)", longer, tmp_path / "cut")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "cut").exists()
    _, values = read_snapshot(tmp_path / "cut.partial" / "work" / SNAPSHOT)
    assert (values["epoch"], values["batch"]) == (2, 4)
    assert_resumed(longer, tmp_path / "cut")


def test_a_request_to_end_ends_the_process(longer: Path, tmp_path: Path) -> None:
    """As it would any other; the work is gone on with."""
    ended = run_until(18, "os.kill(os.getpid(), signal.SIGTERM)", longer, tmp_path / "cut")
    assert (ended.returncode, ended.stderr) == (-signal.SIGTERM, "")
    assert_resumed(longer, tmp_path / "cut")


def test_a_disk_that_is_full_in_mid_epoch_costs_one_line(longer: Path, tmp_path: Path) -> None:
    """The system refuses to write more than the first bytes of a checkpoint; the one before it is left."""
    pytest.importorskip("resource")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))"
    full = run_until(18, limit, longer, tmp_path / "cut")
    assert full.returncode == 2, full.stderr
    (line,) = full.stderr.splitlines()
    last = tmp_path / "cut.partial" / "work" / SNAPSHOT
    assert line == (
        f"Error: {last} cannot be written: File too large; {SNAPSHOT} still holds the previous snapshot; "
        "free some space, then continue with --resume"
    )
    assert [path.name for path in last.parent.iterdir()] == [SNAPSHOT]
    _, values = read_snapshot(last)
    assert (values["epoch"], values["batch"]) == (2, 4)
    assert_resumed(longer, tmp_path / "cut")


def test_a_disk_that_is_full_at_the_end_costs_no_training(
    longer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    measure = run.measure

    def then_full(*args: object) -> list[Report]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
        return measure(*args)  # type: ignore[arg-type]

    recipe, out = read_recipe(longer / "tiny.toml"), tmp_path / "cut"
    with monkeypatch.context() as patch:
        patch.setattr(run, "measure", then_full)
        try:
            with pytest.raises(
                InputError, match=r"cut cannot be written: File too large; free some space, then continue"
            ):
                pretrain(recipe, [EXAMPLE], out, device="cpu", quiet=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not out.exists()

    opinions = CrystalNetwork.opinions

    def without_steps(network: CrystalNetwork, batch: GraphBatch) -> torch.Tensor:
        assert not network.training, "a step was made again"
        return opinions(network, batch)

    monkeypatch.setattr(CrystalNetwork, "opinions", without_steps)
    assert_resumed(longer, out)


def test_a_checkpoint_that_is_damaged_is_named(longer: Path, tmp_path: Path) -> None:
    run_until(10, "os.kill(os.getpid(), signal.SIGKILL)", longer, tmp_path / "cut")
    last = tmp_path / "cut.partial" / "work" / SNAPSHOT
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(InputError, match=rf"{last} is damaged; remove {tmp_path / 'cut.partial'} to start again"):
        pretrain(read_recipe(longer / "tiny.toml"), [EXAMPLE], tmp_path / "cut", resume=True, quiet=True)
