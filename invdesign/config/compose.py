"""From a campaign's file and overrides to one plain mapping, through Hydra; every file passes `yamls` first."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.types import RunMode
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from invdesign.config import yaml_safety
from invdesign.config.shipped_paths import shipped
from invdesign.core import InvdesignError

BASE = "campaign"
_loaded: ContextVar[dict[str, Path] | None] = ContextVar("files read while composing, by configuration", default=None)


@dataclass(frozen=True)
class Composed:
    """A composed configuration: plain values, and where each of them came from.

    Args:
        name: the stem of the campaign's file.
        values: nested mappings, lists and plain values; interpolations resolved.
        files: the files it was composed from with the package of each; a later one overrides those before.
        overrides: what the command line changed.
    """

    name: str
    values: dict[str, Any]
    files: dict[Path, str]
    overrides: tuple[str, ...]

    def where(self, keys: Sequence[str]) -> str:
        """`file:line` of a key, or the override that set it."""
        dotted = ".".join(keys)
        for override in reversed(self.overrides):
            key = override.lstrip("+~").split("=", 1)[0].split("@")[0].replace("/", ".")
            if dotted == key or dotted.startswith(f"{key}."):
                return f"command line ({override})"
        for path, package in reversed(self.files.items()):
            prefix = package.split(".") if package else []
            if list(keys[: len(prefix)]) != prefix:
                continue
            line = yaml_safety.line_of(path.read_text(encoding="utf-8-sig"), keys[len(prefix) :])
            if line is not None:
                return f"{path}:{line}"
        return self.where(keys[:-1]) if keys else self.name


class _Folder(ConfigSource):
    """A folder of configurations that passes every file through `yamls` before Hydra sees it."""

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider, path)
        self.root = Path(self.path)

    @staticmethod
    def scheme() -> str:
        return "folder"

    def load_config(self, config_path: str) -> ConfigResult:
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
                f"{path}:{yaml_safety.line_of(text, ['hydra'])}: Hydra itself is not configured here; remove `hydra:`, "
                "and name folders of your own groups with --config-dir"
            )
        header = self._get_header_dict(text[:512])
        if (header["package"] or "").startswith("hydra"):
            raise InvdesignError(f"{path}:1: a configuration must not enter Hydra's own (@package {header['package']})")
        loaded = _loaded.get()
        if loaded is not None:
            loaded[config_path.removesuffix(".yaml")] = path
        return ConfigResult(config=config, path=self.full_path(), provider=self.provider, header=header)

    def available(self) -> bool:
        return self.root.is_dir()

    def is_group(self, config_path: str) -> bool:
        path = self._inside(config_path)
        return path is not None and path.is_dir()

    def is_config(self, config_path: str) -> bool:
        path = self._inside(self._normalize_file_name(config_path))
        return path is not None and path.is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        folder = self._inside(config_path)
        found = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
        groups = [p.name for p in found if p.is_dir() and not p.name.startswith((".", "_"))]
        configs = [p.stem for p in found if p.suffix == ".yaml" and p.is_file()]
        if results_filter is None:
            return sorted({*groups, *configs})
        return groups if results_filter == ObjectType.GROUP else configs

    def _inside(self, config_path: str) -> Path | None:
        parts = Path(config_path).parts
        return None if ".." in parts or Path(config_path).is_absolute() else self.root / config_path


def campaign_file(name: str) -> Path:
    """The file of a campaign, by its path or by the name of a shipped one.

    Raises:
        InvdesignError: there is none.
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
    hint = f"did you mean {close[0]}?" if close else f"shipped campaigns are {', '.join(known)}"
    raise InvdesignError(f"{name}: no such campaign file; {hint}")


def compose(campaign: str | None, overrides: Sequence[str] = (), *, config_dirs: Sequence[str] = ()) -> Composed:
    """Compose a campaign's configuration.

    Groups are looked for beside the campaign's file, then in `config_dirs`, then among the shipped ones.

    Args:
        campaign: its file or the name of a shipped one; None for the base alone.
        overrides: Hydra's grammar; a plain `key=value` needs no `+` for keys that no file states.
        config_dirs: folders of the user's own groups.

    Raises:
        InvdesignError: a file is refused, or Hydra cannot compose: the message names the file and the nearest choice.
    """
    loader, name = _loader(campaign, config_dirs)
    loaded: dict[str, Path] = {}
    token = _loaded.set(loaded)
    try:
        ready = [_ready(o, loader) for o in _parsed(overrides)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            config = loader.load_configuration(name, ready, run_mode=RunMode.RUN, from_shell=True)
        OmegaConf.set_struct(config, False)
        config.pop("hydra", None)
        order = loader.compute_defaults_list(name, ready, RunMode.RUN).defaults
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingConfigException as error:
        raise InvdesignError(_missing(error)) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise InvdesignError(_plain(error, loader, list(loaded.values()))) from error
    finally:
        _loaded.reset(token)
    assert isinstance(values, dict)
    files = {loaded[d.config_path]: d.package or "" for d in order if d.config_path in loaded}
    plain: dict[str, Any] = {str(key): value for key, value in values.items()}
    return Composed(name, plain, files, tuple(overrides))


def sweep(overrides: Sequence[str]) -> list[list[str]]:
    """The overrides of each job of a multirun: the product of all `key=a,b,c` and `key=range(...)`."""
    jobs: list[list[str]] = [[]]
    for override in _parsed(overrides):
        line = override.input_line or ""
        choices = [line]
        if override.is_sweep_override():
            if not override.is_discrete_sweep():
                raise InvdesignError(f"{line}: only lists of values are swept, as in seed=0,1,2 or seed=range(0,3)")
            head = line.split("=", 1)[0]
            choices = [f"{head}={value}" for value in override.sweep_string_iterator()]
        jobs = [[*job, choice] for job in jobs for choice in choices]
    return jobs


def to_yaml(values: dict[str, Any]) -> str:
    """Return a configuration as YAML."""
    return OmegaConf.to_yaml(values)


def groups(config_dirs: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return every group with its choices, e.g. `{"oracle": ["callable", "crystals/ewald", ...]}`."""
    found: dict[str, set[str]] = {}
    for folder in [*map(Path, config_dirs), shipped("conf")]:
        for path in folder.glob("*/**/*.yaml"):
            group, *rest = path.relative_to(folder).with_suffix("").parts
            found.setdefault(group, set()).add("/".join(rest))
    return {group: sorted(choices) for group, choices in sorted(found.items())}


def _loader(campaign: str | None, config_dirs: Sequence[str]) -> tuple[ConfigLoaderImpl, str]:
    setbase("1.3")
    Plugins.instance()
    SourcesRegistry.instance().register(_Folder)
    path = ConfigSearchPathImpl()
    path.append("hydra", "pkg://hydra.conf")
    name = BASE
    if campaign is not None:
        file = campaign_file(campaign)
        name = file.stem
        path.append("main", f"folder://{file.parent}")
    for folder in config_dirs:
        if not Path(folder).is_dir():
            raise InvdesignError(f"--config-dir {folder}: no such folder")
        path.append("user", f"folder://{Path(folder).resolve()}")
    path.append("invdesign", f"folder://{shipped('conf')}")
    path.append("schema", "structured://")
    return ConfigLoaderImpl(config_search_path=path), name


def _parsed(overrides: Sequence[str]) -> list[Override]:
    for override in overrides:
        if override.lstrip("+~").startswith("hydra"):
            raise InvdesignError(f"{override}: Hydra itself is not configured here; see invdesign run --help")
        yaml_safety.check_text(override, "command line")
    return [_parse(override) for override in overrides]


def _parse(override: str) -> Override:
    problem = "" if override.lstrip("+~").split("=", 1)[0].strip() else "no key"
    try:
        if not problem:
            return OverridesParser.create().parse_override(override)
    except HydraException as error:
        problem = str(error).strip().splitlines()[0]
    raise InvdesignError(f"override {override!r}: expected key=value, group=choice, or ~key; got {problem}")


def _ready(override: Override, loader: ConfigLoaderImpl) -> str:
    """The override for Hydra: a value is added where no file states it, for `schema` knows what keys there are."""
    line = override.input_line or ""
    if override.is_sweep_override():
        raise InvdesignError(f"{line}: several values are a sweep; add -m, or write a list as [a,b]")
    is_plain, is_group = not line.startswith(("+", "~")), loader.repository.group_exists(override.key_or_group)
    if is_group and is_plain and override.value() is None:
        return f"~{override.key_or_group}"
    return f"++{line}" if is_plain and not is_group else line


def _missing(error: MissingConfigException) -> str:
    wanted = (error.missing_cfg_file or "").removesuffix(".yaml")
    group, _, choice = wanted.rpartition("/")
    options = [o for o in (error.options or []) if isinstance(o, str)]
    close = difflib.get_close_matches(choice, options, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}? " if close else ""
    listed = f"choices: {', '.join(options)}" if options else "name folders of your own groups with --config-dir"
    return f"no choice {choice!r} in group {group or 'of campaigns'!r}; {hint}{listed}"


def _plain(error: Exception, loader: ConfigLoaderImpl, files: list[Path]) -> str:
    """Hydra's complaint in one line with the nearest group; and the file, where one says what it complains of."""
    text = str(error.__cause__ or error) if not str(error).strip() else str(error)
    key = getattr(error, "full_key", None)
    if isinstance(error, MissingMandatoryValue):
        return f"{key} must be given: write it in the campaign's file, or add {key}=... to the command"
    text = " ".join(line.strip() for line in text.splitlines() if not line.startswith(("    full_key", "    object")))
    wrong = re.search(r"[Cc]ould not override '([^'@]+)", text)
    if not wrong:
        return f"configuration: {text}"
    names = loader.repository.get_group_options("", ObjectType.GROUP)
    close = difflib.get_close_matches(wrong.group(1), [n for n in names if n != "hydra"], n=1)
    hint = (
        f"; did you mean {close[0]!r}?" if close else f"; the groups are {', '.join(n for n in names if n != 'hydra')}"
    )
    where = next((f"{p}:{n}: " for p in files if (n := yaml_safety.line_with(p, wrong.group(1)))), "")
    return f"{where}no group {wrong.group(1)!r} to override{hint}"
