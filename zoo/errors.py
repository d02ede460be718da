"""Everything that zoo raises on purpose.

::

    ZooError                  exit code 2: one line that says what, where and what to do
    ├── InputError            a table, a structure file or an option that cannot be used
    │   └── InvalidDataError  the same in an estimator; also a ValueError, as scikit-learn expects
    ├── CardError             a model card that breaks its schema
    ├── UnknownNameError      no backbone, task, featurizer, baseline of that name; also a ValueError
    ├── NotPublishedError     a backbone that is registered but has no weights yet
    ├── PluginError           a plugin that cannot be found, loaded or trusted to be one
    ├── HubError              the Hugging Face Hub refused, or cannot be reached
    ├── SourceError           a database refused, or cannot be reached
    ├── IntegrityError        exit code 3: bytes that are not the ones that were pinned
    ├── TrainingError         a training that diverged; also a ValueError
    ├── CheckpointError       a checkpoint that this version cannot read or honour
    └── DependencyError       a package that is missing or broken in this environment

The command line prints ``str(error)`` and exits with ``error.exit_code``; it never shows a traceback for
any of these. On a terminal, the address of the page that explains the matter follows. Called from Python, functions
speak of their parameters: ``n_train``, where the command line says ``--n-train``.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


DOCUMENTATION = "https://crystal-zoo.github.io/crystal-zoo"
"""Address of the documentation."""


class ZooError(Exception):
    """Base of all errors that zoo raises on purpose.

    Attributes
    ----------
    exit_code : int
    page : str
        Page of the documentation that explains such errors, such as ``"how-to/share"``; empty for that of the command.
    """

    exit_code: int = 2
    page: str = ""


class InputError(ZooError):
    """A table, a structure file or an option that cannot be used."""


class InvalidDataError(InputError, ValueError):
    """Crystals, targets or parameters that an estimator cannot use; also a ValueError, as scikit-learn expects."""

    page = "how-to/scikit-learn"


class CardError(ZooError):
    """A model card that breaks its schema; names the file and the field."""

    page = "reference/hub"


class UnknownNameError(ZooError, ValueError):
    """No backbone, task, featurizer or baseline has the name that was asked for.

    Also a ValueError, as scikit-learn expects of a parameter that has no such value.

    Parameters
    ----------
    kind : str
        What was looked for, in the singular ("backbone", "task").
    name : str
        The name that was asked for.
    known : iterable of str
        The names that exist; the nearest ones are suggested.
    advice : str
        What else can be done, added to the message.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], advice: str = "") -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        lowered = {candidate.lower(): candidate for candidate in self.known}
        near = [lowered[match] for match in get_close_matches(name.lower(), lowered, n=3, cutoff=0.5)]
        hint = f"did you mean {' or '.join(near)}?" if near else f"there is: {', '.join(self.known) or 'none'}"
        super().__init__(
            f"no {kind} is called {name!r}; {hint}" + (f"{' ' if near else '; '}{advice}" if advice else "")
        )


class NotPublishedError(ZooError):
    """A backbone that is registered, but whose weights do not exist yet."""

    page = "reference/hub"


class PluginError(ZooError):
    """A plugin that cannot be found, loaded, or told from another of the same name."""

    page = "how-to/extend"


class HubError(ZooError):
    """The Hugging Face Hub refused a request or cannot be reached."""

    page = "reference/hub"


class SourceError(ZooError):
    """A database refused a request or cannot be reached."""

    page = "how-to/pretrain"


class IntegrityError(ZooError):
    """Bytes whose SHA-256 is not the pinned one."""

    exit_code = 3
    page = "reference/hub"


class TrainingError(ZooError, ValueError):
    """A training that diverged; also a ValueError, as scikit-learn expects of data that cannot be fitted."""

    page = "how-to/finetune"


class CheckpointError(ZooError):
    """A checkpoint that this version cannot read, or whose settings it cannot honour."""

    page = "reference/hub"


class DependencyError(ZooError):
    """A package that is missing or broken in this environment."""

    page = "install"
