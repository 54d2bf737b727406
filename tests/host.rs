//! All that is tested on this host, one after the other: each test has the kernel's hooks to itself. Words
//! after `cargo test --test host --` take those whose name contains one of them, such as `argument::`.

mod argument;
mod bypass_daemon;
mod bypass_login;
mod bypass_process;
mod bypass_program;
mod bypass_rights;
mod channel;
mod check;
mod command;
mod common;
mod compat;
mod confinement;
mod count;
mod daemon;
mod datagram;
mod disk;
mod fault;
mod fidelity;
mod file_operation;
mod filter;
mod identity;
mod install;
mod library;
mod limits;
mod load;
mod login;
mod manual;
mod metrics;
mod network;
mod output;
mod overload;
mod package;
mod privilege;
mod property;
mod quiet;
mod race;
mod reading;
mod reload;
mod report;
mod rollout;
mod seal;
mod session;
mod shipping;
mod socket;
mod space;
mod terminal;
mod transfer;
mod unprivileged;
mod uring;
mod userfault;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Programs that a test runs are this one by another name.
    let words: Vec<String> = std::env::args().skip(1).collect();
    let acts = [limits::act, property::act, race::act, uring::act];
    if acts.iter().any(|act| act(&words)) {
        return ExitCode::SUCCESS;
    }
    let groups = [
        argument::tests(),
        bypass_daemon::tests(),
        bypass_login::tests(),
        bypass_process::tests(),
        bypass_program::tests(),
        bypass_rights::tests(),
        channel::tests(),
        check::tests(),
        command::tests(),
        compat::tests(),
        confinement::tests(),
        count::tests(),
        daemon::tests(),
        datagram::tests(),
        disk::tests(),
        fault::tests(),
        fidelity::tests(),
        file_operation::tests(),
        filter::tests(),
        identity::tests(),
        install::tests(),
        library::tests(),
        limits::tests(),
        load::tests(),
        login::tests(),
        manual::tests(),
        metrics::tests(),
        network::tests(),
        output::tests(),
        overload::tests(),
        package::tests(),
        privilege::tests(),
        property::tests(),
        quiet::tests(),
        race::tests(),
        reading::tests(),
        reload::tests(),
        report::tests(),
        rollout::tests(),
        seal::tests(),
        session::tests(),
        shipping::tests(),
        socket::tests(),
        space::tests(),
        terminal::tests(),
        transfer::tests(),
        unprivileged::tests(),
        uring::tests(),
        userfault::tests(),
    ];
    let code = common::run(groups.into_iter().flatten());
    reading::clean_up();
    code
}
