"""Tab completion of commands, options, shipped campaigns, groups and their choices, as a script of the shell."""

from __future__ import annotations

import argparse

from invdesign.config import compose
from invdesign.config.shipped_paths import shipped

BASH = """\
# invdesign completion; add this to your shell's start-up file:  eval "$(invdesign completion bash)"
_invdesign() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" command="${{COMP_WORDS[1]}}" words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands}"
    elif [[ "$COMP_LINE" =~ ([A-Za-z_/]+)=([A-Za-z0-9_/]*)$ ]]; then
        local group="${{BASH_REMATCH[1]}}"; current="${{BASH_REMATCH[2]}}"
        case "$group" in
{choices}
        esac
        COMPREPLY=($(compgen -W "$words" -- "$current")); return
    else
        case "$command" in
{options}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current") $(compgen -f -- "$current"))
}}
complete -o nospace -F _invdesign invdesign
"""
FISH = "# invdesign completion; add this to your shell's start-up file:  invdesign completion fish | source\n"


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """Return the completion script of a shell (`bash`, `zsh` or `fish`)."""
    commands = _commands(parser)
    groups = compose.groups()
    if shell == "fish":
        return _fish(commands, groups)
    campaigns = [p.stem for p in sorted(shipped("campaigns").glob("*.yaml"))]
    words = [*campaigns, *(f"{group}=" for group in groups)]
    offered = {name: [*flags, *(words if "--results" in flags else [])] for name, flags in commands.items()}
    options = "\n".join(f'            {name}) words="{" ".join(names)}";;' for name, names in offered.items())
    choices = "\n".join(f'            {group}) words="{" ".join(names)}";;' for group, names in groups.items())
    text = BASH.format(commands=" ".join(commands), choices=choices, options=options)
    return f"autoload -U +X bashcompinit && bashcompinit\n{text}" if shell == "zsh" else text


def _fish(commands: dict[str, list[str]], groups: dict[str, list[str]]) -> str:
    lines = [f"complete -c invdesign -n __fish_use_subcommand -a '{' '.join(commands)}'"]
    for name, flags in commands.items():
        inside = f"-n '__fish_seen_subcommand_from {name}'"
        lines += [f"complete -c invdesign {inside} -l {flag[2:]}" for flag in flags if flag.startswith("--")]
    words = " ".join(f"{group}={choice}" for group, choices in groups.items() for choice in choices)
    lines.append(
        f"complete -c invdesign -n '__fish_seen_subcommand_from run train encode sample interpolate' -a '{words}'"
    )
    return FISH + "\n".join(lines)


def _commands(parser: argparse.ArgumentParser) -> dict[str, list[str]]:
    action = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {
        name: [flag for a in command._actions for flag in a.option_strings] for name, command in action.choices.items()
    }
