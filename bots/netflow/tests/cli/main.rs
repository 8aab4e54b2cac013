//! The program as its operators meet it: the real binary, real exporters, and a fake backend. On loopback only.
//!
//! The shortest window is a minute, and these tests wait for it to end. So they all run side by side, however few cores
//! there are, which the standard harness cannot be told by a suite: this one has a `main` of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "these are tests, which fail by panicking"
)]

mod commands;
mod delivery;
mod lives;
#[path = "../../../../tests/support/program.rs"]
mod program;
mod scene;
mod settings;
mod side_by_side;
mod sockets;
mod softflowd;
mod suggestions;

/// The program that is tested.
const BINARY: &str = env!("CARGO_BIN_EXE_grafolean-netflow-bot");

/// The tests by their names. One that is not named here is never used, which the compiler says.
macro_rules! trials {
    ($($module:ident: $($test:ident)+;)+) => {
        &[$($((concat!(stringify!($module), "::", stringify!($test)), $module::$test),)+)+]
    };
}

fn main() -> std::process::ExitCode {
    side_by_side::run(trials! {
        commands:
            check_says_where_flows_would_be_received
            once_says_that_flows_are_received_only_under_run
            an_entity_that_cannot_be_served_is_named_and_costs_no_other;
        delivery:
            flows_become_values_a_minute_later_and_not_a_byte_is_lost_or_counted_twice
            an_entity_may_override_the_sampling_rate_and_name_its_boundary
            packets_that_are_no_flows_are_counted_and_cost_no_others;
        lives:
            a_kill_within_a_window_costs_what_was_received_in_the_last_ten_seconds_at_most
            a_kill_while_a_window_is_closed_and_delivered_neither_skips_it_nor_counts_anything_twice
            a_stop_within_a_window_costs_nothing
            flows_are_received_and_kept_while_the_backend_is_not_ready;
        settings:
            everything_that_is_wrong_is_said_at_once_and_ends_the_bot_with_78
            a_port_that_is_taken_is_named_with_the_way_to_find_by_whom
            addresses_that_are_part_of_one_another_are_refused_by_the_bot_and_by_its_check
            a_second_bot_with_several_threads_does_not_take_half_of_the_exporters
            raw_flows_need_a_place
            help_names_the_variables_and_the_commands;
        sockets:
            exporters_of_both_ip_versions_are_received_at_several_addresses_by_several_threads
            a_full_disk_stops_neither_receiving_nor_delivering_and_is_said_once;
        softflowd:
            what_softflowd_exports_arrives_in_the_backend_in_each_version;
        suggestions:
            an_unknown_exporter_becomes_a_device_once_and_never_again_after_a_person_deleted_it
            where_several_accounts_are_served_exporters_are_suggested_to_the_one_that_is_named_and_else_to_nobody;
    })
}
