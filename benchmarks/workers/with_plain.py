"""zoo as it is where there is no C compiler."""

from __future__ import annotations

from protocol import serve
from with_zoo import graphs, inference

from zoo._utils import compiled

if __name__ == "__main__":
    for part in compiled.PARTS:
        setattr(compiled, part, None)
    serve({"graphs": graphs, "inference": inference}, ("crystal-zoo",))
