"""Rules of the architecture that import contracts cannot express."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "invdesign"
CHEMISTRY = {"rdkit", "selfies", "pymatgen", "spglib", "Bio", "ase", "smact", "chgnet", "pyzeo", "dnachisel"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """The top packages that a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_imports_run_only_downwards() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode == 127:
        pytest.skip("import-linter is not installed")
    assert done.returncode == 0, done.stdout + done.stderr


def test_hydra_is_imported_only_in_config() -> None:
    inside = [p for p in MODULES if imports(p) & {"hydra", "omegaconf"}]
    assert {p.parent for p in inside} == {PACKAGE / "config"}


def test_chemistry_packages_are_imported_only_in_domains() -> None:
    inside = [p for p in MODULES if imports(p) & CHEMISTRY]
    assert all(p.is_relative_to(PACKAGE / "domains") for p in inside)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_has_a_docstring_and_a_specific_name(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    assert path.name not in ("utils.py", "helpers.py", "common.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_our_own_functions_swallow_no_keywords(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    swallowing = [node.name for node in functions if node.args.kwarg]
    assert not swallowing


@pytest.mark.slow
@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_is_unpickled(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert calls.isdisjoint({"pickle.load", "pickle.loads", "torch.load", "joblib.load", "eval", "exec"})


def test_the_public_names_exist_and_importing_the_package_is_light() -> None:
    code = "import sys, invdesign; print(sorted({'torch', 'rdkit', 'hydra', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    import invdesign

    for name in invdesign.__all__:
        assert getattr(invdesign, name) is not None


@pytest.mark.slow
def test_a_run_is_opened_without_libraries_that_take_seconds_to_import() -> None:
    code = (
        "import sys, invdesign.runs.campaign_run, invdesign.domains.molecules; "
        "print(sorted({'sklearn', 'scipy.stats', 'umap', 'plotly'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
