"""A run that is cut off between two fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.jobs import methods

if TYPE_CHECKING:
    import pytest


class Cut(Exception):  # noqa: N818
    """Stands for whatever ends a run."""


def cut_after(fits: int, patch: pytest.MonkeyPatch) -> list[object]:
    """Let a run end when it begins another fit than so many; returns the list of those that were begun."""
    real, begun = methods.fit_network, []

    def counted(*args: Any, **kwargs: Any) -> methods.Outcome:
        if len(begun) == fits:
            raise Cut
        begun.append(args)
        return real(*args, **kwargs)

    patch.setattr(methods, "fit_network", counted)
    return begun
