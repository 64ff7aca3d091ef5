"""Every failure that a campaign must survive has a test of its own, and this table says which."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TABLE: dict[str, tuple[str, ...]] = {
    "the process is killed at any moment": (
        "runs/test_kills.py::test_a_run_that_is_killed_at_any_moment_loses_and_repeats_nothing",
        "runs/test_simulation.py::test_no_evaluation_is_lost_repeated_or_mislabelled",
        "execution/test_slurm_array.py::test_a_later_process_collects_what_an_earlier_one_submitted",
    ),
    "a file is half written": (
        "runs/test_faults.py::test_every_failed_write_leaves_a_run_that_continues_as_if_nothing_had_happened",
        "vae/test_store.py::test_nothing_half_written_is_left_behind",
    ),
    "the disk is full or the folder is read-only": (
        "ledger/test_ledger.py::test_a_full_disk_is_found_before_anything_is_measured",
        "runs/test_full_disk.py::test_a_disk_that_fills_while_a_campaign_runs_is_a_message_and_the_run_goes_on_later",
        "vae/test_store.py::test_a_full_disk_is_an_error_that_says_so_and_leaves_the_earlier_model",
    ),
    "an oracle raises, hangs, crashes or returns no number": (
        "execution/test_conformance.py::"
        "test_six_answer_one_raises_one_is_nan_one_crashes_one_hangs_and_the_campaign_goes_on",
        "execution/test_command.py::test_a_program_that_fails_is_a_failure_with_its_last_line",
        "campaign/test_loop.py::test_too_many_failures_stop_the_campaign",
    ),
    "a parser crashes or takes for ever": (
        "domains/molecules/test_files.py::test_a_missing_a_broken_and_an_overlong_file_are_errors",
        "io/test_design_tables.py::test_a_cell_that_is_too_long_is_a_problem_of_its_row_and_the_limit_of_the_process_stays",
    ),
    "rows are malformed": (
        "io/test_design_tables.py::test_designs_properties_and_weights_are_read_and_invalid_rows_reported",
        "io/test_design_tables.py::test_an_error_stops_at_the_first_invalid_row_but_not_at_a_repeat",
    ),
    "a model file is corrupt or malicious": ("vae/test_store.py::test_one_flipped_bit_is_refused",),
    "a configuration is malicious": (
        "config/test_yaml_safety.py::test_a_malicious_file_is_refused_for_the_reason_it_states",
        "execution/test_command.py::test_a_configuration_that_starts_programs_must_be_allowed",
    ),
    "a download is another one, or a bomb": (
        "io/test_datasets.py::test_links_many_files_bombs_and_nonsense_are_rejected",
        "io/test_datasets.py::test_a_download_that_is_too_long_is_rejected",
    ),
    "an exported cell is a formula": (
        "export/test_candidates.py::test_text_that_looks_like_a_formula_is_quoted_and_numbers_are_not",
    ),
    "two processes work on one run": (
        "ledger/test_ledger.py::test_a_second_process_is_refused_with_the_name_of_the_owner",
        "runs/test_campaign_run.py::test_another_process_cannot_write_but_may_read",
    ),
    "the input of a Gaussian process is degenerate": (
        "surrogate/test_robust_fit.py::test_degenerate_input_ends_at_the_expected_level_with_a_note",
    ),
    "a run is resumed with other settings, code or data": (
        "ledger/test_ledger.py::test_a_run_cannot_continue_with_other_settings_unless_that_is_accepted_and_recorded",
        "runs/test_stages.py::test_a_changed_resume_is_refused_with_what_differs_unless_accepted",
    ),
    "Ctrl-C and SIGTERM": (
        "runs/test_stages.py::test_ctrl_c_and_sigterm_leave_a_report_and_the_same_command_goes_on",
        "ledger/test_ledger.py::test_ctrl_c_waits_until_a_write_is_finished",
        "execution/test_executors.py::test_ctrl_c_is_not_an_outcome",
    ),
    "a report or a progress callback fails": (
        "cli/test_reporting.py::test_a_report_that_fails_is_one_warning_and_the_lists_are_written",
        "cli/test_reporting.py::test_a_progress_callback_that_fails_is_one_warning_and_the_run_goes_on",
    ),
}
"""Tests by failure."""


@pytest.mark.parametrize("failure", TABLE)
def test_a_failure_has_its_tests(failure: str) -> None:
    for name in TABLE[failure]:
        file, _, function = name.partition("::")
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, name
