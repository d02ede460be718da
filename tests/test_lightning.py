"""Lightning is imported without half of SciPy and without torch's compiler, and leaves both as they were."""

from __future__ import annotations

import subprocess
import sys

import pytest

FROM_LIBRARY = """
import sys
from zoo import _lightning
assert "scipy.signal" not in sys.modules, "it was imported, or its stand-in has stayed"
assert "scipy.stats" not in sys.modules
import scipy.signal
assert scipy.signal.windows.hamming(3)[1] == 1
"""

KEPT = """
import scipy.signal
real = scipy.signal
from zoo import _lightning
import sys
assert sys.modules["scipy.signal"] is real
"""

ASKED_MEANWHILE = """
import sys
from zoo import _lightning
with _lightning._without("scipy.signal", hamming=None):
    import scipy.signal
    assert scipy.signal.hamming is None
    assert not hasattr(sys.modules["scipy.signal"], "__file__")
    from scipy.signal import find_peaks
    from scipy.signal.windows import hamming
    assert find_peaks([0, 1, 0])[0].tolist() == [1]
assert sys.modules["scipy.signal"].find_peaks is find_peaks
"""

WITHOUT_A_COMPILER = """
import sys
import torch
from zoo._lightning import pl
from zoo.optimizing import AdamW

class Line(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(1, 1)
    def training_step(self, batch):
        return (self.linear(batch[0]) - batch[1]).square().mean()
    def configure_optimizers(self):
        return AdamW(self.parameters(), lr=0.1)

def fit(module):
    rows = torch.arange(8.0)[:, None]
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(rows, 2 * rows))
    pl.Trainer(
        accelerator="cpu", max_epochs=2, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(module, data)

torch.manual_seed(0)
line = Line()
fit(line)
assert "torch._dynamo" not in sys.modules, "it was imported, or its stand-in has stayed"

# Who compiles is understood: Lightning takes what was compiled apart.
torch.manual_seed(0)
again = Line()
compiled = torch.compile(again, backend="eager")
fit(compiled)
assert isinstance(sys.modules["torch._dynamo"].__file__, str)
assert torch.equal(line.linear.weight, again.linear.weight)
"""

NEEDS_MORE = """
import sys

class Once:
    def find_spec(self, name, path=None, target=None):
        if name == "lightning.pytorch.trainer":
            sys.meta_path.remove(self)
            import torch._dynamo.eval_frame  # fails beside the stand-in

sys.meta_path.insert(0, Once())
from zoo._lightning import pl
assert pl.Trainer.__name__ == "Trainer" and not any(isinstance(finder, Once) for finder in sys.meta_path)
import torch._dynamo.eval_frame
"""


BESIDE_A_THREAD = """
import sys, threading
import torch
done = threading.Event()
threading.Thread(target=done.wait).start()
from zoo import _lightning
assert isinstance(sys.modules["torch._dynamo"].__file__, str), "another thread may need it meanwhile"
done.set()
"""


@pytest.mark.parametrize(
    "program", [FROM_LIBRARY, KEPT, ASKED_MEANWHILE, WITHOUT_A_COMPILER, NEEDS_MORE, BESIDE_A_THREAD]
)
def test_stand_ins(program: str) -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
