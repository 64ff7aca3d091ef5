"""Composition of a campaign's configuration with Hydra, through its public interface."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from invdesign.config import yaml_safety
from invdesign.config.shipped_paths import shipped
from invdesign.core.errors import InvdesignError

DEFAULT = "campaign"
"""Name of the configuration of a command without a campaign file."""
PRESETS = "base"
"""Group of the presets."""
DOMAINS = ("molecules", "crystals", "sequences", "profiles")
"""Folders of a group that hold the choices of one domain; they are not part of a key."""


@dataclass(frozen=True)
class _Composition:
    """Folders of the composition that is under way, and the files that it loaded."""

    folders: tuple[Path, ...]
    loaded: dict[str, Path]


_current: ContextVar[_Composition | None] = ContextVar("composition under way", default=None)


@dataclass(frozen=True)
class Composed:
    """A composed configuration: plain values, and where each of them comes from."""

    name: str
    """Stem of the campaign's file."""
    values: dict[str, Any]
    """Nested mappings, lists and plain values; interpolations are resolved."""
    files: tuple[tuple[Path, str], ...]
    """Files it was composed from, each with its package; an earlier one wins."""
    overrides: tuple[str, ...]
    """Changes by the command line."""
    choices: tuple[str, ...] = ()
    """Those of the overrides that chose a file of a group; the file is the origin of what it sets."""
    tune: Any = None
    """The block `tune:` of the campaign, which says what `invdesign tune` searches; it is no part of a run."""

    def where(self, keys: Sequence[str]) -> str:
        """Return `file:line` of a key, or the override that set it."""
        return self.origin(keys) or (self.where(keys[:-1]) if keys else self.name)

    def origin(self, keys: Sequence[str]) -> str:
        """Return `file:line` of a key, or the override that set it; an empty string where nothing sets it."""
        dotted = ".".join(keys)
        for override in reversed(self.overrides):
            key = override.lstrip("+~").split("=", 1)[0].split("@")[0].replace("/", ".")
            sets_value = "=" in override and override not in self.choices
            if sets_value and (dotted == key or dotted.startswith(f"{key}.")):
                return f"command line ({override})"
        for path, package in self.files:
            prefix = package.split(".") if package else []
            if list(keys[: len(prefix)]) != prefix:
                continue
            line = yaml_safety.line_of(path.read_text(encoding="utf-8-sig"), keys[len(prefix) :])
            if line is not None:
                return f"{path}:{line}"
        return ""

    def is_from_preset(self, keys: Sequence[str]) -> bool:
        """Return whether a preset is what sets a key: neither the campaign, nor a choice, nor an override does."""
        origin = self.origin(keys).rpartition(":")[0]
        return any(str(path) == origin and path.parent.name == PRESETS for path, _ in self.files)


class SafeFolder(ConfigSource):
    """A folder of configurations that passes every file through `yaml_safety` before Hydra loads it."""

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider, path)
        self.root = Path(self.path)

    @staticmethod
    def scheme() -> str:
        """Return the scheme of the search path, `safe://`."""
        return "safe"

    def load_config(self, config_path: str) -> ConfigResult:
        """Load a configuration.

        Raises:
            InvdesignError: The file is unsafe, is no mapping, or configures Hydra itself.
        """
        path = self._inside(self._normalize_file_name(config_path))
        if path is None or not path.is_file():
            raise ConfigLoadError(f"Config not found: {config_path}")
        text = yaml_safety.read(path)
        try:
            config = OmegaConf.create(text) if yaml_safety.has_content(text) else OmegaConf.create({})
        except yaml.YAMLError as error:
            raise InvdesignError(f"{path}: {' '.join(str(error).split())}") from error
        if not isinstance(config, DictConfig):
            raise InvdesignError(f"{path}: expected `key: value` lines, got a list or a single value")
        if "hydra" in config:
            raise InvdesignError(
                f"{path}:{yaml_safety.line_of(text, ['hydra'])}: Hydra itself is not configured here. Remove `hydra:`, "
                "and name folders of your own groups with --config-dir"
            )
        header = self._get_header_dict(text[:512])
        if (header["package"] or "").startswith("hydra"):
            raise InvdesignError(f"{path}:1: the package {header['package']} is Hydra's own. Choose another one")
        current = _current.get()
        if current is not None:
            current.loaded.setdefault(config_path.removesuffix(".yaml"), path)
        return ConfigResult(config=config, path=self.full_path(), provider=self.provider, header=header)

    def available(self) -> bool:
        """Return whether the folder exists."""
        return self.root.is_dir()

    def is_group(self, config_path: str) -> bool:
        """Return whether a path is a folder in it."""
        path = self._inside(config_path)
        return path is not None and path.is_dir()

    def is_config(self, config_path: str) -> bool:
        """Return whether a path is a configuration in it."""
        path = self._inside(self._normalize_file_name(config_path))
        return path is not None and path.is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the groups and configurations of a folder in it."""
        folder = self._inside(config_path)
        found = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
        folders = [p.name for p in found if p.is_dir() and not p.name.startswith((".", "_"))]
        configs = [p.stem for p in found if p.suffix == ".yaml" and p.is_file()]
        if results_filter is None:
            return sorted({*folders, *configs})
        return folders if results_filter == ObjectType.GROUP else configs

    def _inside(self, config_path: str) -> Path | None:
        parts = Path(config_path).parts
        return None if ".." in parts or Path(config_path).is_absolute() else self.root / config_path


class CampaignSearchPath(SearchPathPlugin):
    """Adds the folders of the composition under way to Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders, each as a `SafeFolder`."""
        current = _current.get()
        for number, folder in enumerate(current.folders if current else ()):
            search_path.append(provider=f"invdesign-{number}", path=f"safe://{folder}")


def campaign_file(name: str) -> Path:
    """Return the file of a campaign, by its path or by the name of a shipped one.

    Raises:
        InvdesignError: There is none.
    """
    path = Path(name)
    if path.is_file():
        return path.resolve()
    folder = shipped("campaigns")
    named = folder / f"{path.stem}.yaml"
    if path.suffix in ("", ".yaml") and named.is_file():
        return named
    known = sorted(p.stem for p in folder.glob("*.yaml"))
    close = difflib.get_close_matches(path.stem, known, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Shipped campaigns are {', '.join(known)}"
    raise InvdesignError(f"{name}: expected a campaign file or the name of a shipped campaign. {hint}")


def compose(campaign: str | None, overrides: Sequence[str] = (), *, config_dirs: Sequence[str] = ()) -> Composed:
    """Compose the configuration of a campaign.

    Groups are searched beside the campaign's file, then in `config_dirs`, then among the shipped ones.

    Args:
        campaign: Its file or the name of a shipped one; None for the default configuration.
        overrides: Changes in Hydra's grammar; `key=value` needs no `+` for keys that no file sets.
        config_dirs: Folders of the user's own groups.

    Raises:
        InvdesignError: A file is refused, or Hydra cannot compose; the message names the file and the nearest choice.
    """
    folders, name = _folders(campaign, config_dirs)
    composition = _Composition(tuple(folders), {})
    token = _current.set(composition)
    _register()
    try:
        prepared = [_prepare(override, folders) for override in parse_overrides(overrides)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            GlobalHydra.instance().clear()
            with hydra.initialize(config_path=None, version_base="1.3"):
                config = hydra.compose(name, prepared)
        yaml_safety.check_expansion(OmegaConf.to_container(config, resolve=False))
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingConfigException as error:
        raise InvdesignError(_missing(error, folders)) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise InvdesignError(_explain(error, folders, list(composition.loaded.values()))) from error
    except RecursionError as error:
        raise InvdesignError(_explain_cycle(composition)) from error
    finally:
        _current.reset(token)
    assert isinstance(values, dict)
    plain: dict[str, Any] = {str(key): value for key, value in values.items()}
    tune = plain.pop("tune", None)
    chosen = tuple(override for override in overrides if _chooses_file(override, folders))
    composed = Composed(name, plain, _packages(composition, name), tuple(overrides), chosen, tune)
    if _has_own_function(plain.get("oracle")) and composed.is_from_preset(["baseline"]):
        del plain["baseline"]
    return composed


def groups(config_dirs: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return every group with its choices, e.g. `{"oracle": ["callable", "crystals/ewald", ...]}`."""
    found: dict[str, set[str]] = {}
    for folder in [*map(Path, config_dirs), shipped("conf")]:
        for path in folder.glob("*/**/*.yaml"):
            parts = list(path.relative_to(folder).with_suffix("").parts)
            n = next((i for i, part in enumerate(parts[:-1]) if part in DOMAINS), len(parts) - 1)
            found.setdefault("/".join(parts[:n]), set()).add("/".join(parts[n:]))
    return {group: sorted(choices) for group, choices in sorted(found.items())}


def to_yaml(values: dict[str, Any]) -> str:
    """Return a configuration as YAML."""
    return OmegaConf.to_yaml(OmegaConf.create(values))


def _register() -> None:
    for plugin in (SafeFolder, CampaignSearchPath):
        Plugins.instance().register(plugin)


def _folders(campaign: str | None, config_dirs: Sequence[str]) -> tuple[list[Path], str]:
    """Return the folders that are searched, and the name of the primary configuration."""
    folders: list[Path] = []
    name = DEFAULT
    if campaign is not None:
        file = campaign_file(campaign)
        name = file.stem
        folders.append(file.parent)
    for folder in config_dirs:
        if not Path(folder).is_dir():
            raise InvdesignError(f"--config-dir {folder}: no such folder. Check the path")
        folders.append(Path(folder).resolve())
    folders.append(shipped("conf"))
    return folders, name


def _chooses_file(override: str, folders: Sequence[Path]) -> bool:
    """Return whether an override such as `search/acquire=log_ei` chooses a file of a group."""
    key, _, choice = override.lstrip("+~").partition("=")
    is_group = any((folder / key.split("@")[0]).is_dir() for folder in folders)
    return is_group and choice.strip() not in ("", "null")


def _has_own_function(oracle: Any) -> bool:
    """Return whether one of the oracles is a function of the user's, which may be costly."""
    if not isinstance(oracle, dict):
        return False
    named = [oracle, *(item for item in oracle.values() if isinstance(item, dict))]
    functions = [str(node.get("_target_", node.get("function", ""))) for node in named]
    return any(":" in function or ("." in function and not function.startswith("invdesign.")) for function in functions)


def _packages(composition: _Composition, name: str) -> tuple[tuple[Path, str], ...]:
    """Return the loaded files, each with its package; the one that has the last word on a key comes first.

    The campaign overrides its choices, a choice overrides the preset, and a file of a nested group (`search/acquire`)
    is overridden by the file that includes it (`search`).
    """
    ranked = sorted(
        composition.loaded, key=lambda path: (path != name, path.startswith(f"{PRESETS}/"), path.count("/"))
    )
    return tuple(
        (composition.loaded[path], package(path.rpartition("/")[0], composition.loaded[path])) for path in ranked
    )


def package(group: str, path: Path) -> str:
    """Return the package of a configuration: that of its header, else its group."""
    header = re.match(r"\s*#\s*@package\s+(\S+)", path.read_text(encoding="utf-8-sig"))
    if header:
        return "" if header[1] == "_global_" else header[1]
    return ".".join(part for part in group.split("/") if part and part not in DOMAINS)


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Return overrides as Hydra reads them.

    Raises:
        InvdesignError: One configures Hydra itself, or is not in Hydra's grammar.
    """
    for override in overrides:
        if override.lstrip("+~").startswith("hydra"):
            raise InvdesignError(f"{override}: Hydra itself is not configured here. See invdesign run --help")
        yaml_safety.check_text(override, "command line")
    return [parse_override(override) for override in overrides]


def parse_override(override: str) -> Override:
    """Return an override as Hydra reads it.

    Raises:
        InvdesignError: It is not in Hydra's grammar.
    """
    problem = "" if override.lstrip("+~").split("=", 1)[0].strip() else "no key"
    try:
        if not problem:
            return OverridesParser.create().parse_override(override)
    except HydraException as error:
        problem = str(error).strip().splitlines()[0]
    key, equals, text = override.partition("=")
    hint = ""
    if equals and re.search(r"[()\[\]{}=#@\\/,:]", text) and not text.startswith(("'", '"', "[", "{")):
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        hint = f". Quote a text with such characters, for the shell too: '{key}=\"{quoted}\"'"
    raise InvdesignError(f"override {override!r}: expected key=value, group=choice, or ~key, got {problem}{hint}")


def _prepare(override: Override, folders: Sequence[Path]) -> str:
    """Return an override for Hydra: a value is added where no file sets it; the keys are validated later."""
    line = override.input_line or ""
    if override.is_sweep_override():
        raise InvdesignError(f"{line}: expected one value, got several. Add -m for a sweep, or write a list as [a,b]")
    is_plain = not line.startswith(("+", "~"))
    key = override.key_or_group
    is_group = any((folder / key).is_dir() for folder in folders)
    if is_group and is_plain and override.value() is None:
        return f"++{key.replace('/', '.')}=null" if "/" in key else f"~{key}"
    if is_plain and not is_group and "/" in key:
        raise InvdesignError(f"{line}: no group {key!r}{_nearest_group(key, folders)}")
    return f"++{line}" if is_plain and not is_group else line


def _group_names(folders: Sequence[Path]) -> list[str]:
    own = {p.name for folder in folders[:-1] for p in folder.iterdir() if p.is_dir() and any(p.glob("*.yaml"))}
    return sorted({*groups(), *own})


def _nearest_group(word: str, folders: Sequence[Path]) -> str:
    names = _group_names(folders)
    close = difflib.get_close_matches(word, names, n=1)
    return f". Did you mean {close[0]!r}?" if close else f". The groups are {', '.join(names)}"


def _missing(error: MissingConfigException, folders: Sequence[Path]) -> str:
    """Return a message on a choice that does not exist, with the nearest one of all domains."""
    wanted = (error.missing_cfg_file or "").removesuffix(".yaml")
    group, _, choice = wanted.rpartition("/")
    head = group
    while head and head.rpartition("/")[2] in DOMAINS:
        head, _, domain = head.rpartition("/")
        choice = f"{domain}/{choice}"
    own = {p.stem for folder in folders[:-1] for p in (folder / head).glob("*.yaml")} if head else set()
    options = sorted({*groups().get(head, []), *own})
    by_last = {option.rpartition("/")[2]: option for option in options}
    last = choice.rpartition("/")[2]
    if wanted == PRESETS:
        return f"defaults: expected a preset, got 'base' alone. Write `- base: molecules` (of {', '.join(DOMAINS)})"
    close = difflib.get_close_matches(choice, options, n=1, cutoff=0.6)
    close = close or [by_last[name] for name in difflib.get_close_matches(last, by_last, n=1, cutoff=0.4)]
    hint = f"Did you mean {close[0]!r}? " if close else ""
    listed = f"Choices: {', '.join(options)}" if options else "Name folders of your own groups with --config-dir"
    return f"no choice {choice!r} in group {head or 'of campaigns'!r}. {hint}{listed}"


def _explain_cycle(composition: _Composition) -> str:
    """Return a message that names the files of the user whose defaults lead back to themselves."""
    own = [path for path in composition.loaded.values() if not path.is_relative_to(shipped("conf"))]
    for path in own:
        if yaml_safety.names_itself(path):
            return f"{path}: the file names itself in its defaults. Remove that line"
    names = ", ".join(map(str, own)) or "the configuration"
    return f"{names}: the defaults or references lead in a circle. Remove one of them"


def _explain(error: Exception, folders: Sequence[Path], files: list[Path]) -> str:
    """Return Hydra's complaint in one line, with the nearest group and the file where one contains the word."""
    text = str(error.__cause__ or error) if not str(error).strip() else str(error)
    if isinstance(error, MissingMandatoryValue):
        key = getattr(error, "full_key", None)
        return f"{key} must be given. Write it in the campaign's file, or add {key}=... to the command"
    text = " ".join(line.strip() for line in text.splitlines() if not line.startswith(("    full_key", "    object")))
    wrong = re.search(r"[Cc]ould not override '([^'@]+)", text)
    if not wrong:
        return f"configuration: {text}"
    where = next((f"{p}:{n}: " for p in files if (n := yaml_safety.line_with(p, wrong.group(1)))), "")
    return f"{where}no group {wrong.group(1)!r} to override{_nearest_group(wrong.group(1), folders)}"
