//! The cases of tests/golden, by family: what records are, and their bytes.

mod command;
mod disk;
mod network;
mod privilege;
pub mod record;
mod session;

/// What a record is, and its bytes.
pub type Described = (&'static str, Vec<u8>);

/// The name of a case's files, and what builds its records.
pub type Case = (&'static str, fn() -> Vec<Described>);

pub const CASES: &[Case] = &[
    ("command", command::command_case),
    ("hostile", command::hostile_case),
    ("exe", command::exe_case),
    ("arguments", command::arguments_case),
    ("exit", command::exit_case),
    ("disk", disk::disk_case),
    ("file_operation", disk::file_operation_case),
    ("network", network::network_case),
    ("uring", disk::uring_case),
    ("local", network::local_case),
    ("socket", network::socket_case),
    ("privilege", privilege::privilege_case),
    ("tampering", privilege::tampering_case),
    ("datagram", network::datagram_case),
    ("dns", network::dns_case),
    ("terminal", session::terminal_case),
    ("initial_command", session::initial_command_case),
    ("channel", session::channel_case),
    ("environment", command::environment_case),
    ("nothing_done", session::nothing_done_case),
    ("lost", session::lost_case),
    ("excluded", session::excluded_case),
    ("start_lost", session::start_lost_case),
    ("network_first", session::network_first_case),
    ("backlog", session::backlog_case),
    ("two_sessions", session::two_sessions_case),
    ("nested_and_found", session::nested_and_found_case),
    ("delegated", session::delegated_case),
    ("job", session::job_case),
    ("other_login", session::other_login_case),
    ("malformed", session::malformed_case),
];
