"""Checkpoints, the only place that reads or writes networks on disk.

`schema` says what ``config.json`` may hold, `tensors` what ``model.safetensors`` must list. `weights` reads a folder as
NumPy arrays, without torch; `networks` builds, describes and saves torch networks; `convert` imports the checkpoints of
the original CGCNN.
"""

from zoo._utils import lazy

__getattr__, __dir__ = lazy.attach(__name__, __file__)
