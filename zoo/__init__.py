"""A model zoo of crystal graph networks, made for transfer learning on small data sets.

Everything here is imported when it is first used, so ``import zoo`` costs nothing.

============================  =====================================================================
``load(ref)``                 a backbone or a fine-tuned run, as a :class:`Model` that predicts and embeds
``finetune(options, out)``    fine-tune a backbone on a table; returns a :class:`Result`
``Options``                   the options of a fine-tuning
``study(options, out)``       compare methods, sizes and seeds on a table; returns a :class:`Study`
``StudyOptions``              what a study compares
``backbones()``               the model cards of all registered backbones
``backbone(name)``            the model card of one of them
``graph(structure)``          the DGL graph that a network sees of a crystal
``pull(name)``                fetch a backbone and check every byte
``tasks()``                   the target properties that zoo and its plugins know
``Task``, ``Baseline``        what plugins define
``Requirement``               a task's condition on the rows of a table
``Crystal``                   a crystal as arrays
``ZooError``                  the base class of all errors
============================  =====================================================================
"""

from zoo._utils import VERSION, lazy

__version__ = VERSION
__getattr__, __dir__ = lazy.attach(__name__, __file__)
