//! What it takes to record: a config, and a recorder that goes by it.

use std::path::Path;

use super::failure::{Failure, cannot, during};
use crate::base::host::Hostname;
use crate::base::{Clock, Output};
use crate::check;
use crate::config::Config;
use crate::daemon::Waiter;
use crate::event::{Host, HostNames, Ids, Writer};
use crate::kernel::{Probes, Settings};
use crate::output::{Journald, Log, Place, Sink, Stdout, Syslog};
use crate::pipeline::Pipeline;
use crate::session::Table;

/// Reads a config, and says what its operator should know.
pub fn load(path: &Path) -> Result<Config, Failure> {
    let loaded = Config::load(path)?;
    for notice in loaded.notices {
        crate::report!("recorderd: {notice}");
    }
    Ok(loaded.config)
}

/// A recorder whose probes are at work, and what it waits with.
pub fn pipeline(
    config: &Config,
    btf: &Path,
    id: &str,
    table: Table,
) -> Result<(Pipeline, Waiter), Failure> {
    let clock = Clock::new();
    let own = config.nodename.is_none().then(Hostname::now);
    let hostname = config.nodename.clone();
    let hostname = hostname.or_else(|| Some(own.as_ref()?.text()));
    let now = clock.now().real / 1_000_000_000;
    let place = |output: &Output| {
        Ok(match output {
            Output::File => {
                Place::File(Log::open(&config.data_dir, id, config.log, now).map_err(cannot)?)
            }
            Output::Stdout => Place::Stdout(Stdout::open().map_err(during("standard output"))?),
            Output::Syslog => Place::Syslog(Syslog::new(&config.syslog_socket)),
            Output::Journald => Place::Journald(Journald::new(&config.journald_socket)),
        })
    };
    let places = config.output.iter().map(place);
    let sink = Sink::new(places.collect::<Result<_, Failure>>()?, config.fsync);
    let names = names(config, id, hostname.as_deref().unwrap_or_default());
    let host = Host::new(&names);
    let probes = probes(config, btf)?;
    let waiter = Waiter::new(probes.descriptors()).map_err(cannot)?;
    let writer = Writer::new(host, Ids::new(), clock);
    let mut pipeline = Pipeline::new(probes, table, writer, sink);
    pipeline.hostname = own;
    Ok((pipeline, waiter))
}

/// What tells this host from others, by the config.
pub fn names<'a>(config: &'a Config, id: &'a str, hostname: &'a str) -> HostNames<'a> {
    HostNames {
        cluster: config.cluster_name.as_deref().unwrap_or_default(),
        id,
        hostname,
        labels: &config.labels,
    }
}

fn probes(config: &Config, btf: &Path) -> Result<Probes, Failure> {
    let probes = Probes::start(&Settings::new(config, btf)).map_err(cannot)?;
    let missing = check::missing(&probes.coverage, &config.required);
    if !missing.is_empty() {
        return Err(Failure::Required(missing));
    }
    for warning in check::warnings(&probes.coverage) {
        crate::report!("recorderd: {warning}");
    }
    for coverage in &probes.coverage {
        if let Some(fault) = coverage.fault() {
            crate::report!("recorderd: {} is not recorded: {fault}", coverage.family);
        }
    }
    Ok(probes)
}
