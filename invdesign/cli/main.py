"""Arguments, exit codes and signals of the commands; nothing heavy is imported before a command is chosen."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

EXAMPLES = """\
examples:
  invdesign run campaigns/demo.yaml                      a whole campaign: train, search, report, export
  invdesign run osimertinib budget=500 search=thompson   a shipped campaign with changes
  invdesign run demo -m seed=0,1,2                       three runs
  invdesign run mine.yaml --allow my_oracles             with a function of your own as the oracle
  invdesign options oracle                               what can be chosen, and every setting of a choice
The same command resumes an interrupted run.
"""
REQUEST = re.compile(r"[+-](?!h$)[A-Za-z_][\w.]*(=.*)?")
"""A change that `move` makes: +NAME, -NAME=AMOUNT."""
DESIGN = ("design", "DESIGN", "a file (its first design), FILE:N (its N-th), or the text of a design")
ATLAS_COMMANDS = ("move", "explain")
PROJECTIONS = ("tsne", "umap", "pacmap", "pca", "lle")
SWEEP_COMMANDS = ("sweep", "tune", "bench")
AUDITED = ("file", "FILE", "designs in a format of the domain")
PATTERN = ("pattern", "PATTERN", "the measured pattern: a .xy, .xye or .csv file of 2 theta and intensity")
OVERRIDES = "KEY=VALUE changes a setting, GROUP=CHOICE another part (Hydra's grammar), ~KEY leaves one out"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when done, 2 for bad input, 130 after Ctrl-C, 143 after SIGTERM.
    """
    arguments = _parse(sys.argv[1:] if argv is None else list(argv))
    _limit_threads()
    # Fits are checked and their fallback level is recorded; this warning of GPyTorch would interrupt the progress bars.
    warnings.filterwarnings("ignore", message=r".*not p\.d\., added jitter.*")
    before = signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        from invdesign.core import InvdesignError

        try:
            return _dispatch(arguments)
        except InvdesignError as error:
            print(f"invdesign: {error}", file=sys.stderr)
            return 2
    except Terminated:
        print("invdesign: stopped; the same command resumes", file=sys.stderr)
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        print("invdesign: interrupted; the same command resumes", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


class Terminated(KeyboardInterrupt):
    """SIGTERM; handled like Ctrl-C, with another exit code."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="invdesign",
        description="Inverse design in a learned latent space: train a VAE, search, export candidates.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="store_true", help="print the version")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")

    _add_campaign_commands(commands)
    _add_interpolate(commands)
    _add_move(commands)
    _add_explain(commands)
    _add_find(commands)
    _add_audit(commands)
    _add_solve(commands)
    _add_decode(commands)
    _add_run_folder_commands(commands)
    _add_sweep(commands)
    _add_tune(commands)
    _add_bench(commands)
    _add_loop_commands(commands)
    _add_options(commands)
    _add_check_data(commands)
    complete = commands.add_parser("completion", help="print tab completion for a shell", description="Tab completion.")
    complete.add_argument("shell", choices=("bash", "zsh", "fish"))
    return top


def _add_campaign_commands(commands: Any) -> None:
    run = _campaign_command(commands, "run", "run a campaign, or resume one")
    run.add_argument("-m", "--multirun", action="store_true", help="run every combination of KEY=A,B,C as a sweep")
    run.add_argument("--seeds", type=int, metavar="N", help="run every setting with N seeds, as a sweep")
    _add_launcher(run)
    run.add_argument("--folder", metavar="FOLDER", help="run in this folder, a new one or that of a run")
    run.add_argument("--resume", metavar="RUN", help="resume this run folder (default: with its stored configuration)")
    run.add_argument("--baselines", metavar="FOLDER", help="share the random search with other runs in this folder")
    run.add_argument("--accept-changes", action="store_true", help="resume with other settings; the change is recorded")
    run.add_argument("--fresh", action="store_true", help="start a new run even if one is unfinished")
    run.add_argument("--show-config", action="store_true", help="print every setting with its origin, and stop")

    train = _campaign_command(commands, "train", "train the campaign's VAE only, and print its diagnosis")
    train.add_argument(
        "--rate-sweep",
        metavar="NATS,NATS,...",
        help="train at each of these target rates instead, and print the rate-distortion curve with the chosen point",
    )
    train.add_argument("--out", metavar="FOLDER", help="copy the model into this new folder (it is cached in any case)")

    encode = _campaign_command(commands, "encode", "write the latents of the designs of a file")
    encode.add_argument("--input", metavar="FILE", required=True, help="designs in a format of the domain")
    encode.add_argument("--out", metavar="FILE", required=True, help="table to write (.csv)")

    sample = _campaign_command(commands, "sample", "draw designs from the campaign's latent space")
    sample.add_argument("-n", type=int, default=100, help="number of latents to draw (default 100)")
    sample.add_argument(
        "--source",
        choices=("prior", "density", "corpus"),
        default="prior",
        help="prior of the VAE (default), density of real designs, or posteriors of real designs (mostly copies)",
    )
    sample.add_argument("--out", metavar="FILE", help="file to write, in a format of the domain (default: print)")


def _add_interpolate(commands: Any) -> None:
    ends = (
        ("first", "A", "FILE:N (its N-th design) or the text of a design; or a file of many designs, if B is one too"),
        ("last", "B", "as A"),
    )
    about = "find designs on a latent path from A to B, designs or populations"
    between = _campaign_command(commands, "interpolate", about, ends)
    between.add_argument(
        "--path",
        choices=("density", "spherical", "straight"),
        help="along the density of real designs (default), a great circle, or a line (default between populations)",
    )
    between.add_argument(
        "--outliers",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="part of two populations that may stay unmatched (default 0.05)",
    )
    between.add_argument(
        "--and",
        dest="others",
        action="append",
        default=[],
        metavar="FILE",
        help="a further file: the population between all of them (their barycentre) instead of a way",
    )
    between.add_argument("--weights", default="", metavar="W,...", help="weights of A, B and the files of --and")
    between.add_argument("--steps", type=int, default=11, metavar="N", help="points on it, with both ends (default 11)")
    between.add_argument(
        "--around",
        type=int,
        default=1,
        metavar="N",
        help="decode N points around each step, and keep the design whose own latent is nearest (default 1)",
    )
    between.add_argument(
        "--until", type=float, metavar="VALUE", help="stop where the first objective reaches or crosses this value"
    )
    between.add_argument(
        "--measure", action=argparse.BooleanOptionalAction, default=True, help="call the campaign's oracle (default)"
    )
    between.add_argument("--run", metavar="RUN", help="use campaign, latent space and measured designs of this run")
    between.add_argument("--out", metavar="FOLDER", help="default: a new folder beside the campaign's runs, or in RUN")


def _add_explain(commands: Any) -> None:
    given = (DESIGN, ("property", "PROPERTY", "a computed or measured property, or an objective of the run"))
    about = "find the parts of a design on which a property depends"
    explain = _campaign_command(commands, "explain", about, given)
    explain.add_argument("--to", metavar="DESIGN", help="explain the designs on the straight path to this one, too")
    explain.add_argument("--run", metavar="RUN", help="use campaign, latent space and measured designs of this run")
    explain.add_argument("--out", metavar="FOLDER", help="default: a new folder beside the campaign's runs, or in RUN")


def _add_find(commands: Any) -> None:
    about = "find designs that are described in words, e.g. 'lithium-free layered oxide, large cell'"
    described = ("text", "TEXT", "a description; commas separate its parts")
    find = _campaign_command(commands, "find", about, (described,), is_optional=True)
    find.add_argument("-n", type=int, default=20, metavar="N", help="known and new designs to list (default 20)")
    find.add_argument("--words", action="store_true", help="list the words that are known instead")
    find.add_argument("--run", metavar="RUN", help="use campaign and latent space of this run")
    find.add_argument("--out", metavar="FOLDER", help="default: a new folder beside the campaign's runs, or in RUN")


def _add_move(commands: Any) -> None:
    about = "change a design towards more or less of a property"
    move = _campaign_command(commands, "move", about, (DESIGN,))
    move.epilog = (
        "+NAME=AMOUNT asks for more of a property, -NAME=AMOUNT for less; without an amount, by one standard "
        "deviation. NAME is a property that the domain computes, a measured one of corpus or seeds, or an objective of "
        f"the run. {OVERRIDES}"
    )
    move.add_argument("--stay", default="", metavar="NAME,...", help="properties that should not change, e.g. size")
    move.add_argument(
        "--hops", type=int, default=4, metavar="N", help="moves, each from the design found before (default 4)"
    )
    move.add_argument(
        "--like",
        metavar="CHANGE",
        help="find the analogue instead, as pairs of the corpus show it: 'NaCl -> NaBr', 'Cl -> Br', 'reverse "
        "complement', 'rotate by 1', or a .csv file with two columns of designs",
    )
    move.add_argument("--straight", action="store_true", help="single moves instead, chosen without measuring")
    move.add_argument("--steps", type=int, default=9, metavar="N", help="single moves of growing size (default 9)")
    move.add_argument("--run", metavar="RUN", help="use campaign, latent space and measured designs of this run")
    move.add_argument("--out", metavar="FOLDER", help="default: a new folder beside the campaign's runs, or in RUN")


def _add_audit(commands: Any) -> None:
    about = "find the designs of a file that are unlike real ones, and the parts that differ"
    audit = _campaign_command(commands, "audit", about, (AUDITED,), is_optional=True)
    audit.add_argument("--run", metavar="RUN", help="use the latent space of this run; without FILE audit its designs")
    audit.add_argument(
        "--model", metavar="MODEL", help="use a model with a stored audit: a shipped one (zinc250k), or a folder"
    )
    audit.add_argument(
        "--as-corpus", action="store_true", help="read FILE as the corpus is read: the same columns, the same cleaning"
    )
    audit.add_argument(
        "--align", action="store_true", help="align the sequences of FILE to the corpus, e.g. reads as they come"
    )
    audit.add_argument(
        "--level", type=float, default=0.01, metavar="P", help="flag designs up to this p-value (default 0.01)"
    )
    audit.add_argument("--store", action="store_true", help="keep the audit in the folder of the model, for --model")
    audit.add_argument("--out", metavar="FOLDER", help="where audit.html and audit.csv are written (default: here)")


def _add_solve(commands: Any) -> None:
    about = "find the crystals of a formula that explain a powder pattern"
    solve = _campaign_command(commands, "solve", about, (PATTERN,))
    solve.epilog = (
        "Structures of the corpus are tried with the elements of the formula. Without CAMPAIGN it is the built-in "
        f"corpus of ionic crystals; corpus=crystals/table corpus.path=FILES takes your own. {OVERRIDES}"
    )
    solve.add_argument("--formula", metavar="FORMULA", required=True, help="the formula, e.g. LiFePO4")
    solve.add_argument(
        "--wavelength", default="CuKa", metavar="NAME", help="CuKa (default), CuKa1, MoKa, CoKa, ... or angstrom"
    )
    solve.add_argument("-n", type=int, default=10, metavar="N", help="crystals to write (default 10)")
    solve.add_argument(
        "--latents",
        type=int,
        default=0,
        metavar="N",
        help="also decode N latents drawn for pattern and formula; trains models first, with vae=crystals/tokens",
    )
    solve.add_argument("--out", metavar="FOLDER", help="where page and CIFs are written (default: solve-PATTERN)")


def _add_decode(commands: Any) -> None:
    about = "find the molecules that have the fingerprints of a file"
    decode = commands.add_parser("decode", help=about, description=f"{about[0].upper()}{about[1:]}.")
    decode.add_argument(
        "--fingerprints",
        metavar="FILE",
        required=True,
        help="Morgan count fingerprints without chirality, one a row: .npy, or a table of numbers (.csv)",
    )
    decode.add_argument("--radius", type=int, default=3, metavar="N", help="their radius, 2 or 3 (default 3)")
    decode.add_argument(
        "--known", metavar="FILE", help="molecules from which a near one is searched where none has the fingerprint"
    )
    decode.add_argument("--out", metavar="FILE", help="table to write (.csv)")
    decode.add_argument("--json", action="store_true", help="print JSON on standard output")


def _add_run_folder_commands(commands: Any) -> None:
    export = commands.add_parser(
        "export", help="write candidate lists and deliverables of a run", description="Write the lists of a run."
    )
    _run_arguments(export)
    export.add_argument("--out", metavar="FOLDER", help="default: the run's own folder")
    report = commands.add_parser("report", help="write the report of a run", description="Write the report of a run.")
    _run_arguments(report)
    report.add_argument("--out", metavar="FILE", help="default: report.html in the run's folder")


def _add_sweep(commands: Any) -> None:
    about = "print the state of a sweep, run its failed jobs again, or compare its runs"
    sweep = commands.add_parser("sweep", help=about, description=f"{about[0].upper()}{about[1:]}.")
    sweep.add_argument("action", choices=("status", "retry", "report"))
    sweep.add_argument("sweep", metavar="SWEEP", help="a sweep's folder, or a campaign's folder (its newest sweep)")
    sweep.add_argument("--reference", default="", metavar="SETTING", help="compare with this one (default: the first)")
    sweep.add_argument("--out", metavar="FOLDER", help="where report and tables are written (default: the sweep)")
    _add_launcher(sweep)
    sweep.add_argument("--json", action="store_true", help="print JSON on standard output")


def _add_tune(commands: Any) -> None:
    tune = _campaign_command(
        commands, "tune", "search for better settings of a campaign, and compare them with its own"
    )
    tune.add_argument(
        "--space",
        action="append",
        default=[],
        metavar="KEY=VALUES",
        help="a setting to search: KEY=interval(0.1,10,log), KEY=interval(1,20), KEY=a,b,c (default: its block tune:)",
    )
    tune.add_argument(
        "--stage", choices=("search", "vae"), help="runs of the campaign (default), or the training of its VAE"
    )
    tune.add_argument(
        "--objective", metavar="NAME,...", help="auc (default), best, candidates, validity, novelty, diversity, seconds"
    )
    tune.add_argument("--trials", type=int, metavar="N", help="settings to try (default 40)")
    tune.add_argument("--seeds", type=int, metavar="N", help="seeds of each trial (default 2)")
    tune.add_argument("--held-out", type=int, metavar="N", help="seeds of the comparison at the end (default 8)")
    tune.add_argument("--jobs", type=int, metavar="N", help="trials at a time (default: one for each core)")
    tune.add_argument("--no-prune", action="store_true", help="run every trial to its end")


def _add_bench(commands: Any) -> None:
    about = "run a suite of benchmarks, and write its figures beside published ones"
    bench = commands.add_parser("bench", help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=OVERRIDES)
    bench.add_argument("suite", choices=("crystals", "molecules", "sequences"))
    bench.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="changes to all campaigns of the suite")
    bench.add_argument("--data", default=".", metavar="FOLDER", help="where data files are (default: here)")
    bench.add_argument("--only", action="append", default=[], metavar="TEXT", help="entries whose name contains this")
    bench.add_argument("--seeds", metavar="N,N,...", help="other seeds than those of the suite")
    bench.add_argument("--out", metavar="FOLDER", help="where SUITE.md and SUITE.json are written (default: --results)")
    bench.add_argument("--results", default="results", metavar="FOLDER", help="where runs are kept (default results)")
    bench.add_argument("--jobs", type=int, metavar="N", help="runs at a time (default: one for each core)")
    bench.add_argument(
        "--cache", metavar="FOLDER", help="where models and data are cached (default: your cache folder)"
    )
    bench.add_argument("--json", action="store_true", help="print JSON on standard output")


def _add_launcher(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--launcher", metavar="NAME", help="basic, joblib, submitit_local, submitit_slurm or ray (hydra/launcher=NAME)"
    )
    command.add_argument("--jobs", type=int, metavar="N", help="jobs of a sweep at a time (default: one for each core)")
    command.add_argument("--fail-fast", action="store_true", help="stop a sweep at its first failure")


def _add_loop_commands(commands: Any) -> None:
    begin = _campaign_command(commands, "begin", "start a campaign that a laboratory measures: no design is selected")
    begin.add_argument("--resume", metavar="RUN", help="continue this run folder with the given settings")
    begin.add_argument("--accept-changes", action="store_true", help="continue with other settings; this is recorded")
    begin.add_argument("--fresh", action="store_true", help="start a new run even if one is unfinished")

    suggest = _loop_command(commands, "suggest", "select a batch and write it as files, or the open batch again")
    suggest.add_argument("-n", type=int, metavar="N", help="designs of a new batch (default: the campaign's batch)")
    suggest.add_argument("--more", type=int, metavar="N", help="select N more designs beside the open ones")

    tell = _loop_command(commands, "tell", "record a table of results (.csv, .tsv, .xlsx)")
    tell.add_argument("file", metavar="RESULTS", help="rows by id or by design; the same file twice changes nothing")
    tell.add_argument("--add", action="store_true", help="add measured designs that were not suggested")
    tell.add_argument("--dry-run", action="store_true", help="print what would be recorded")
    tell.add_argument(
        "--replicates", action="store_true", help="other values of measured designs are repeated measurements"
    )

    _loop_command(commands, "status", "print the state of a run")
    pareto = _loop_command(commands, "pareto", "print the measured designs that no other one surpasses")
    pareto.add_argument("--plot", metavar="FILE", help="plot them for each pair of properties (.svg)")
    score = _loop_command(commands, "score", "predict the designs of a file")
    score.add_argument("file", metavar="FILE", help="designs in a format of the domain")
    score.add_argument("--out", metavar="FILE", help="table to write (.csv)")

    serve = _loop_command(commands, "serve", "serve the open batch, a form for results and the report as a web page")
    serve.add_argument("--port", type=int, default=8765, help="port of the loopback address, 0 for any (default 8765)")

    steer = _loop_command(commands, "steer", "change goals, constraints, limits or parts from the next batch on")
    steer.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="KEY+=VALUE adds; none lists what was changed")
    steer.add_argument("--rounds", type=int, metavar="N", help="for the next N rounds only")
    steer.add_argument("--reason", default="", metavar="TEXT", help="why")

    _add_map(commands)

    reject = _design_command(commands, "reject", "replace an open design that will not be made")
    reject.add_argument("--reason", required=True, help="why it will not be made")
    abandon = _design_command(commands, "abandon", "give up an open design: it counts as failed")
    abandon.add_argument("--reason", default="abandoned", help="why (default: abandoned)")
    for name, about in (("correct", "replace a recorded value"), ("replicate", "record a repeated measurement")):
        command = _design_command(commands, name, about)
        command.add_argument("values", nargs="+", metavar="NAME=VALUE", help="an objective and its value")
        command.add_argument("--note", default="", help="a remark")
    made = _design_command(commands, "substitute", "record that another design was made in the place of an open one")
    made.add_argument("design", metavar="DESIGN", help="the design that was made, as text")
    made.add_argument("values", nargs="*", metavar="NAME=VALUE", help="its values, where they are measured already")
    made.add_argument("--note", default="", help="a remark")


def _add_map(commands: Any) -> None:
    about = "write an interactive map of a latent space, one page"
    drawn = commands.add_parser("map", help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=OVERRIDES)
    drawn.add_argument("run", metavar="RUN|CAMPAIGN", help="a run folder, or a campaign: its corpus and its model")
    drawn.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="changes to the settings of a campaign")
    drawn.add_argument("-n", type=int, default=2_000, metavar="N", help="designs of the corpus (default 2000)")
    drawn.add_argument("--method", choices=PROJECTIONS, default="tsne", help="projection (default tsne)")
    drawn.add_argument(
        "--pictures", type=int, default=5_000, metavar="N", help="designs that are drawn, those measured first (5000)"
    )
    drawn.add_argument("--audit", action="store_true", help="colour by how unlike real designs each design is, too")
    drawn.add_argument("--out", metavar="FILE", help="default: map.html in the run's folder, or here")
    _add_config_dir(drawn)
    _add_shared_arguments(drawn)


def _loop_command(commands: Any, name: str, about: str) -> argparse.ArgumentParser:
    """Return the parser of a command on a run folder."""
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=f"{about[0].upper()}{about[1:]}."
    )
    _run_arguments(command)
    command.add_argument("--by", default="", metavar="NAME", help="who records this (default: the user and the host)")
    return command


def _design_command(commands: Any, name: str, about: str) -> argparse.ArgumentParser:
    """Return the parser of a command on a design of a run."""
    command = _loop_command(commands, name, about)
    command.add_argument("id", metavar="ID", help="its identifier, e.g. D0012, or the design itself")
    return command


def _add_options(commands: Any) -> None:
    options = commands.add_parser(
        "options",
        help="list groups, choices and settings",
        description="List groups, the choices of a group, or the settings of a choice.",
    )
    options.add_argument("group", nargs="?", metavar="GROUP[/CHOICE]", help="e.g. oracle, or oracle/crystals/ewald")
    _add_config_dir(options)
    options.add_argument("--markdown", action="store_true", help="print the reference of all options")
    options.add_argument("--json", action="store_true", help="print JSON")


def _add_check_data(commands: Any) -> None:
    check = commands.add_parser("check-data", help="list which rows of a file can be used", description="Check a file.")
    check.add_argument("file", metavar="FILE")
    check.add_argument("--domain", default="molecules", help="a choice of the group domain (default molecules)")
    check.add_argument(
        "--column", metavar="NAME", help="the column that holds the designs (default: found by its name)"
    )
    check.add_argument(
        "--property",
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="a measured property and its column; NAME alone where both are called alike",
    )
    check.add_argument(
        "--per-atom",
        action="append",
        default=[],
        metavar="NAME",
        help="a property of crystals that is a total of the cell as written; it is divided by the number of atoms",
    )
    check.add_argument("--weight-column", metavar="NAME", help="the column of training weights")
    check.add_argument(
        "--mutations", metavar="NAME", help="the column of lists of mutations (default: found by its name)"
    )
    check.add_argument(
        "--wild-type", metavar="DESIGN", help="the sequence that mutations refer to: its letters, FILE or FILE:N"
    )
    check.add_argument("--first", type=int, metavar="NUMBER", help="the number of its first residue (default 1)")
    check.add_argument("--chain", metavar="NUMBER", help="the chain to read of several in a row, or split")
    _add_config_dir(check)
    check.add_argument("--rejected", metavar="FILE", help="write the refused rows there (.csv)")
    check.add_argument("--json", action="store_true", help="print JSON")


def _campaign_command(
    commands: Any, name: str, about: str, before: Sequence[tuple[str, str, str]] = (), *, is_optional: bool = False
) -> argparse.ArgumentParser:
    """Return the parser of a command on a campaign; arguments `before` it have a name, a word and a meaning.

    They may be left out where `is_optional` says so.
    """
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=OVERRIDES
    )
    for key, word, meaning in before:
        command.add_argument(key, nargs="?" if is_optional else None, metavar=word, help=meaning)
    command.add_argument(
        "campaign", nargs="?", metavar="CAMPAIGN", help="a YAML file, or the name of a shipped campaign"
    )
    command.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="changes to its settings")
    _add_config_dir(command)
    command.add_argument("--results", default="results", metavar="FOLDER", help="where runs are kept (default results)")
    _add_shared_arguments(command)
    return command


def _run_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", metavar="RUN", help="a run folder, or a campaign's folder (its newest run)")
    _add_shared_arguments(command)


def _add_config_dir(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config-dir", action="append", default=[], metavar="FOLDER", help="folder of your own groups"
    )


def _add_shared_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--allow", action="append", default=[], metavar="MODULE", help="a module that _target_ may name"
    )
    command.add_argument(
        "--cache", metavar="FOLDER", help="where models and data are cached (default: your cache folder)"
    )
    command.add_argument("--json", action="store_true", help="print JSON on standard output")


def _parse(argv: list[str]) -> argparse.Namespace:
    top = parser()
    # What starts with a minus would be read as an option.
    requests = [word for word in argv if REQUEST.fullmatch(word)] if argv[:1] == ["move"] else []
    arguments, rest = top.parse_known_args([word for word in argv if word not in requests])
    arguments.requests = requests
    late = [word for word in rest if not word.startswith("-") and hasattr(arguments, "overrides")]
    strange = [word for word in rest if word not in late]
    if strange:
        top.error(f"unrecognized arguments: {' '.join(strange)}")
    if hasattr(arguments, "overrides"):
        has_campaign = hasattr(arguments, "campaign")
        if has_campaign and arguments.campaign is None and late and not _is_override(late[0]):
            arguments.campaign = late.pop(0)
        arguments.overrides = [*arguments.overrides, *late]
        if has_campaign and arguments.campaign and _is_override(arguments.campaign):
            arguments.overrides.insert(0, arguments.campaign)
            arguments.campaign = None
    if arguments.command is None and not arguments.version:
        top.print_help()
        raise SystemExit(2)
    return arguments


def _is_override(word: str) -> bool:
    return "=" in word or word.startswith("~")


def _dispatch(arguments: argparse.Namespace) -> int:
    if arguments.version:
        from invdesign import __version__

        print(f"invdesign {__version__}")
        return 0
    if arguments.command == "completion":
        from invdesign.cli.completion import script

        print(script(arguments.shell, parser()))
        return 0
    command = _command(arguments.command)
    if getattr(arguments, "json", False):
        from invdesign.cli.terminal import json_alone

        with json_alone():
            return command(arguments)
    return command(arguments)


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """Return a command; those of the loop do not import the configuration before they need it."""
    from invdesign.cli.loop_commands import LOOP_COMMANDS

    if name in LOOP_COMMANDS:
        return LOOP_COMMANDS[name]
    if name in SWEEP_COMMANDS:
        from invdesign.cli import sweep_commands

        return sweep_commands.COMMANDS[name]
    if name in ATLAS_COMMANDS:
        from invdesign.cli import atlas_commands

        return atlas_commands.ATLAS_COMMANDS[name]
    if name == "decode":
        from invdesign.cli.decode_command import decode

        return decode
    if name == "solve":
        from invdesign.cli.solve_command import solve

        return solve
    if name == "find":
        from invdesign.cli.find import find

        return find
    if name == "audit":
        from invdesign.cli.audit_command import audit

        return audit
    from invdesign.cli.commands import COMMANDS

    return COMMANDS[name]


def _limit_threads() -> None:
    """Use one thread of OpenMP where cores are few or busy, unless the environment says otherwise.

    The networks and the linear algebra of a round are small: two threads on two cores are slower than one.
    """
    if "OMP_NUM_THREADS" in os.environ or not hasattr(os, "sched_getaffinity"):
        return
    n_cores = len(os.sched_getaffinity(0))
    if n_cores <= 2 or os.getloadavg()[0] > n_cores / 2:
        os.environ["OMP_NUM_THREADS"] = "1"


def _raise_terminated(number: int, frame: Any) -> NoReturn:
    raise Terminated
