"""The objectives that several oracles measure: matched by name, so that no column is taken for another property."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invdesign.config.validation import Where
from invdesign.core.errors import InvdesignError

SHIPPED = "invdesign."
"""Modules of oracles that measure one property each; a function of the user's may measure several."""


def check_names(oracles: Mapping[str, Any], objectives: Any, where: Where) -> None:
    """Check that oracles and objectives have the same names in the same order.

    Columns of oracles are concatenated in their order. An objective belongs to the oracle of its key; its `name`, for
    people, may differ. Functions of the user may measure several properties: objectives without an oracle of their name
    are theirs.

    Args:
        oracles: Parts by name.
        objectives: Settings of the objectives by name.
        where: Returns for people where a key was set.

    Raises:
        InvdesignError: An oracle measures no objective, an objective has no oracle, or their orders differ.

    Example:
        >>> qed, sa = ({"_target_": f"invdesign.domains.molecules.oracles.{name}"} for name in ("qed", "sa"))
        >>> check_names({"qed": qed, "sa": sa}, {"qed": {}, "sa": {}}, lambda keys: "mine.yaml:3")
    """
    if not isinstance(objectives, Mapping):
        return
    names = [name for name, settings in objectives.items() if settings is not None]
    own = [name for name, node in oracles.items() if not str(node["_target_"]).startswith(SHIPPED)]
    unmeasured = [name for name in names if name not in oracles]
    idle = [name for name in oracles if name not in names and (name not in own or not unmeasured)]
    if len(oracles) == 1 and len(names) == 1:
        return
    if idle and len(oracles) > 1:
        shown = ", ".join(names) or "none"
        raise InvdesignError(
            f"{where(('oracle', idle[0]))}: oracle.{idle[0]} measures no objective; the objectives are {shown}. Add "
            f"objectives.{idle[0]}.goal=... (objectives.{idle[0]}.name=... shows it under another name), or leave the "
            f"oracle out: oracle.{idle[0]}=null"
        )
    if unmeasured and not own:
        raise InvdesignError(
            f"{where(('objectives', unmeasured[0]))}: no oracle measures the objective {unmeasured[0]!r}; the oracles "
            f"are {', '.join(oracles)}. Add oracle.{unmeasured[0]}=..., or leave the objective out: "
            f"objectives.{unmeasured[0]}=null"
        )
    shared = [name for name in names if name in oracles]
    if shared != [name for name in oracles if name in names]:
        raise InvdesignError(
            f"{where(('objectives',))}: expected objectives in the order of the oracles ({', '.join(oracles)}), whose "
            f"columns they name, got {', '.join(names)}. Write both in one order"
        )
