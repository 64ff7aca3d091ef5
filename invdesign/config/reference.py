"""The reference of all options, `conf/README.md`."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from invdesign.config.compose import PRESETS, groups
from invdesign.config.explain import Option, choices, options, top_level
from invdesign.config.shipped_paths import shipped

INTRODUCTION = """\
# Configuration

This page is generated. Regenerate it with `invdesign options --markdown > conf/README.md`.

## Write a campaign

A campaign is a YAML file that starts from a preset and states only what differs:

```yaml
defaults:
  - base: crystals                        # preset: molecules, crystals, sequences or profiles
  - override oracle: crystals/ewald       # another choice of a group
  - override search/acquire: log_ei       # another choice of a nested group
  - _self_                                # what follows overrides the choices above
name: mine
budget: 500                               # a setting of the campaign
search:
  trust_region: {length: 0.4}             # a setting of a part
screens:
  bond_valence: {max: 0.6}                # a shipped check by its name
  elements: {function: forbidden, lists: [toxic]}    # a shipped check under another name
  mine: {function: my_checks:no_iodine}   # a function of your own in my_checks.py
  distances: null                         # leaves out a check of the preset
```

- **Groups and choices.** A group is a kind of part, e.g. `search`; its choices are files. Choices of one domain are
  named `<domain>/<choice>`. Several oracles are a list: `override oracle: [molecules/qed, molecules/sa]`. `null` leaves
  a choice out, as in `override validators: null`; then the campaign states the part, or the default of the Python
  signature applies. `search/acquire` and `search/trust_region` have the choice `none`, which switches them off.
- **Settings.** Every parameter of every part has a path, that of a default part too. A setting that no file states has
  the default of the Python signature.
- **Short names.** `function: NAME` names a shipped function of that place, and `function: module:name` one of your own,
  which needs `--allow module` on the command line. An item without `function` is the shipped function of its own name.
  Only the shipped files use dotted paths (`_target_`; `_partial_: true` binds a function).
- **References.** `${domain.length}` repeats the value of another key.
- **Your own groups** are folders beside the campaign's file, or below a folder given with `--config-dir`.

## Override, sweep, inspect

```sh
invdesign run mine.yaml oracle=crystals/ewald search/acquire=ucb "search.acquire.beta=[1,4]"   # override
invdesign run mine.yaml search.trust_region=null                                             # leave a part out
invdesign run mine.yaml -m seed=0,1,2 search.oversample=20,40                                # six runs
invdesign run mine.yaml --show-config                                # every setting, its value and its origin
invdesign options                                                    # groups, and the settings below
invdesign options search                                             # choices of a group
invdesign options oracle/crystals/ewald                              # settings of a choice
```

## Baseline

The presets measure a random search of the same budget too (`baseline: true`). Oracles that cost turn it off: those that
call CHGNet, and functions of your own. `baseline=true` in the campaign or on the command line turns it on again.
"""


def markdown() -> str:
    """Return the reference of all options as Markdown."""
    parts = [INTRODUCTION, "## Settings of a campaign\n", _table(top_level())]
    for group in groups():
        parts.append(f"## `{group}`\n")
        for choice, text in choices(group).items():
            parts.append(f"### `{group}={choice}`\n")
            if text:
                parts.append(f"{text}\n")
            parts.append(_preset(choice) if group == PRESETS else _table(options(group, choice)))
    return "\n".join(parts).rstrip() + "\n"


def _preset(choice: str) -> str:
    """Return the choices of a preset as a table."""
    node = yaml.safe_load((shipped("conf") / PRESETS / f"{choice}.yaml").read_text(encoding="utf-8"))
    chosen = [item for item in node["defaults"] if isinstance(item, dict)]
    lines = [f"| `{group.strip('/')}` | `{name or 'null'}` |" for item in chosen for group, name in item.items()]
    return "\n".join(["| group | choice |", "|---|---|", *lines]) + "\n"


def _table(found: Sequence[Option]) -> str:
    """Return settings as a table; a sentence where there are none."""
    if not found:
        return "No settings.\n"
    lines = ["| setting | type | default | description |", "|---|---|---|---|"]
    lines += [f"| `{o.key}` | {_cell(o.type)} | {_cell(o.default)} | {o.doc.replace('|', '/')} |" for o in found]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return f"`{text.replace('|', '/')}`" if text else ""
