//! The daemon: all SSH logins, in the foreground.

use std::io;
use std::path::Path;

use super::failure::{Done, cannot};
use super::line::Line;
use super::start;
use crate::base::host::{self, Hostname};
use crate::base::stderr;
use crate::base::{Notice, Output, Reason};
use crate::config::{Config, Overload};
use crate::confine::confine;
use crate::daemon;
use crate::daemon::claim::Claim;
use crate::daemon::manager::Manager;
use crate::daemon::reload::Reload;
use crate::kernel::preflight;
use crate::metrics::{Control, MetricsFile};
use crate::output::{Heartbeat, WriterThread};
use crate::pipeline::Pipeline;
use crate::seal::Sealer;
use crate::session::{Cgroups, Table};
use crate::terminal::Terminals;

/// Has the log sealed, if the config says so and there is one. Returns the first public key, and whether it is new.
fn seal(config: &Config, id: &str, pipeline: &mut Pipeline) -> io::Result<Option<(String, bool)>> {
    if !config.seal || !config.output.contains(&Output::File) {
        return Ok(None);
    }
    let own = pipeline.hostname.as_ref().map(Hostname::text);
    let hostname = config.nodename.as_ref().or(own.as_ref());
    let names = start::names(config, id, hostname.map_or("", String::as_str));
    let sealer = Sealer::begin(&config.data_dir, &names, config.seal_interval)?;
    let key = (sealer.key(), sealer.is_new());
    pipeline.sink.seal(sealer)?;
    Ok(Some(key))
}

/// Records until it is told to end.
pub fn run(line: Line) -> Done {
    let path = line.config.as_deref().unwrap_or(Path::new(""));
    let config = start::load(path)?;
    if !config.enabled {
        crate::report!(
            "recorderd: {}: recording is disabled (enabled: false)",
            path.display()
        );
        return Ok(0);
    }
    let btf = preflight::btf(config.btf_path.as_deref());
    preflight::preflight(&btf).map_err(cannot)?;
    preflight::audit().map_err(cannot)?;
    let _claim = Claim::take(&config.data_dir).map_err(cannot)?;
    let id = host::id(&config.data_dir).map_err(cannot)?;
    let cgroups = Cgroups::new(&config.cgroup_path, &config.root_path)
        .inspect_err(|error| {
            crate::report!("recorderd: {error}; sessions don't get cgroups of their own")
        })
        .ok();
    let (mut pipeline, waiter) = start::pipeline(&config, &btf, &id, Table::new(cgroups))?;
    if config.overload == Overload::Throttle {
        let throttled = pipeline.throttle();
        throttled.map_err(|e| {
            cannot(format!(
                "overload: throttle: can't start the throttle supervisor: {e}"
            ))
        })?;
    }
    if let Err(error) = pipeline.probes().notice_logins(config.logins) {
        crate::report!("recorderd: sessions that are open already are not recorded: {error}");
    }
    let (heartbeat, before) = Heartbeat::begin(&config.data_dir)
        .map(|(heartbeat, before)| (Some(heartbeat), before))
        .unwrap_or_else(|error| {
            crate::report!("recorderd: {error}; the next start won't know when this one ended");
            (None, None)
        });
    let sealed = seal(&config, &id, &mut pipeline);
    let seal_key = sealed.as_ref().ok().cloned().flatten();
    let (seal_key, new_key) = match seal_key {
        Some((key, true)) => (Some(key.clone()), Some(key)),
        Some((key, false)) => (Some(key), None),
        None => (None, None),
    };
    pipeline.tell(heartbeat, before, seal_key);
    if let Err(error) = sealed {
        pipeline.announce(&Notice {
            error: Some(error.to_string()),
            ..Notice::of(Reason::SealFailed)
        });
    }
    let control = Control::listen(&config.data_dir)
        .and_then(|control| waiter.add(control.descriptor()).map(|()| control))
        .inspect_err(|error| crate::report!("recorderd: {error}; metrics aren't available"));
    let file = config.metrics_file.as_deref().map(MetricsFile::new);
    pipeline.show(control.ok(), file);
    let mut manager = Manager::of_environment();
    let place = pipeline.sink.name();
    let give_up_rights = || {
        if let Err(error) = confine() {
            crate::report!("recorderd: could not drop privileges: {error}");
        }
    };
    // The guard is a copy of one thread, and none can be started once the rights are gone.
    let parted = pipeline.sink.part(give_up_rights);
    if config.terminal {
        let host = config.data_dir.join("log").join(&id);
        let terminals = Terminals::start(&host, config.log, give_up_rights);
        let what = "can't start a thread for recordings of terminals";
        pipeline.record(terminals.map_err(|e| cannot(format!("{what}: {e}")))?);
    }
    let chores = || WriterThread::start(None, None, give_up_rights);
    let parted = parted.and_then(|()| stderr::hurry(|| Ok(Box::new(chores()?))));
    parted.map_err(|e| cannot(format!("can't start a thread for the log: {e}")))?;
    give_up_rights();
    crate::report!("ready: recording SSH sessions to {place}");
    if let Some(key) = new_key {
        crate::report!("recorderd: the log is sealed; keep its key on another host: {key}");
    }
    manager.ready();
    let mut reload = Reload::new(path.into(), config);
    let done = daemon::run(pipeline, &waiter, &mut manager, &mut reload);
    stderr::finish(daemon::LAST);
    done.map_err(cannot)?;
    Ok(0)
}
