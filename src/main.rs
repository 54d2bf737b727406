//! The command line of recorderd.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use recorderd::base::{Clock, Output, stderr};
use recorderd::check::{self, State};
use recorderd::claim::Claim;
use recorderd::config::{Config, Overload, defaults};
use recorderd::confine::confine;
use recorderd::daemon::{self, Waiter};
use recorderd::event::{Host, HostNames, Ids, Writer};
use recorderd::host::Hostname;
use recorderd::manager::Manager;
use recorderd::metrics::{self, Control, MetricsFile};
use recorderd::packed::SCHEMA;
use recorderd::probe::{Probes, Settings, preflight};
use recorderd::read::Fault;
use recorderd::recorder::Recorder;
use recorderd::reload::Reload;
use recorderd::session::{Cgroups, Table};
use recorderd::sink::{Heartbeat, Journald, Log, Place, Sink, Stdout, Syslog, WriterThread};
use recorderd::{host, install, launch, read, service, usage};

const CANNOT: u8 = 1;
const USAGE: u8 = 2;
const DEGRADED: u8 = 3;

/// Exit code, and the lines that say why.
type Failure = (u8, Vec<String>);

enum Task {
    Help,
    Version,
    Schema,
    Man,
    Completions,
    Install(install::Request),
    Uninstall(install::Request),
    Defaults,
    Validate(PathBuf),
    Check(Option<PathBuf>, bool),
    CheckService(Option<PathBuf>, bool),
    Metrics(Option<PathBuf>),
    Daemon(PathBuf),
    Record(Option<PathBuf>, Vec<OsString>),
    Read(Box<read::Request>),
}

fn main() -> ExitCode {
    let done = match task() {
        Ok(Task::Help) => print(&usage::help()),
        Ok(Task::Version) => {
            println!("recorderd {}", env!("CARGO_PKG_VERSION"));
            Ok(0)
        }
        Ok(Task::Schema) => print(&String::from_utf8_lossy(&SCHEMA.unpack())),
        Ok(Task::Man) => print(&usage::page()),
        Ok(Task::Completions) => print(&usage::bash()),
        Ok(Task::Install(request)) => done(install::install(&request)),
        Ok(Task::Uninstall(request)) => done(install::uninstall(&request)),
        Ok(Task::Defaults) => print(&defaults::text()),
        Ok(Task::Validate(path)) => {
            load(&path).and_then(|config| print(&(check::validity(Some(&path), &config) + "\n")))
        }
        Ok(Task::Check(config, json)) => check(config.as_deref(), json),
        Ok(Task::CheckService(config, json)) => {
            Err(cannot(service::check(config.as_deref(), json)))
        }
        Ok(Task::Metrics(config)) => show_metrics(config),
        Ok(Task::Daemon(config)) => run_daemon(&config),
        Ok(Task::Record(config, command)) => record(config.as_deref(), &command),
        Ok(Task::Read(request)) => match read::run(&request) {
            Ok(()) => Ok(0),
            Err(Fault::Usage(lines)) => Err((USAGE, lines)),
            Err(Fault::Cannot(reason)) => Err(cannot(reason)),
        },
        Err(_) if std::env::args_os().len() < 2 => {
            recorderd::report!("recorderd: no command is given");
            let _ = write!(std::io::stderr(), "\n{}\n", usage::commands());
            recorderd::report!("See recorderd --help");
            Ok(USAGE)
        }
        Err(error) => Err((USAGE, vec![mistake(&error)])),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err((code, lines)) => {
            for line in lines {
                recorderd::report!("recorderd: {line}");
            }
            ExitCode::from(code)
        }
    }
}

fn mistake(error: &lexopt::Error) -> String {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let text = usage::mistake(error, &arguments);
    let more = if text.ends_with('?') { " See" } else { "; see" };
    text + more + " recorderd --help"
}

fn task() -> Result<Task, lexopt::Error> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_env();
    let mut config = None;
    let mut recording = false;
    let mut checking = false;
    let mut json = false;
    let mut of_service = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Task::Help),
            Short('V') | Long("version") => return Ok(Task::Version),
            Short('c') | Long("config") => config = Some(PathBuf::from(parser.value()?)),
            Long("json") if checking => json = true,
            Long("service") if checking => of_service = true,
            Value(word) if recording => {
                let mut command = vec![word];
                command.extend(parser.raw_args()?);
                return Ok(Task::Record(config, command));
            }
            Value(word) if !checking => match word.to_str() {
                Some("record") => recording = true,
                Some("check") => checking = true,
                Some("install") => {
                    return install::Request::parse(&mut parser).map(Task::Install);
                }
                Some("uninstall") => {
                    return install::Request::parse(&mut parser).map(Task::Uninstall);
                }
                Some("config") => return config_task(&mut parser),
                Some("metrics") => return metrics_task(config, &mut parser),
                Some("schema") => return alone(Task::Schema, &mut parser),
                Some("man") => return alone(Task::Man, &mut parser),
                Some("completions") => return completions_task(&mut parser),
                _ if read::Request::is_command(&word) => {
                    let request = read::Request::parse(word, config, &mut parser)?;
                    return Ok(Task::Read(Box::new(request)));
                }
                _ => return Err(Value(word).unexpected()),
            },
            _ => return Err(argument.unexpected()),
        }
    }
    if of_service {
        return Ok(Task::CheckService(config, json));
    }
    if checking {
        return Ok(Task::Check(config, json));
    }
    if recording {
        return Err("record: no command is given; write it behind `--`".into());
    }
    config
        .map(Task::Daemon)
        .ok_or_else(|| "no config is given; use --config FILE".into())
}

/// A task with nothing behind it.
fn alone(task: Task, parser: &mut lexopt::Parser) -> Result<Task, lexopt::Error> {
    match parser.next()? {
        None => Ok(task),
        Some(more) => Err(more.unexpected()),
    }
}

/// What is asked of the config itself.
fn config_task(parser: &mut lexopt::Parser) -> Result<Task, lexopt::Error> {
    use lexopt::prelude::*;
    let task = match parser.next()? {
        Some(Long("print-default")) => Task::Defaults,
        Some(Value(word)) if word == "check" => match parser.next()? {
            Some(Value(path)) => Task::Validate(path.into()),
            Some(other) => return Err(other.unexpected()),
            None => return Err("config check: no file is given; name one".into()),
        },
        Some(other) => return Err(other.unexpected()),
        None => return Err("config: use --print-default, or check FILE".into()),
    };
    alone(task, parser)
}

fn metrics_task(
    config: Option<PathBuf>,
    parser: &mut lexopt::Parser,
) -> Result<Task, lexopt::Error> {
    use lexopt::prelude::*;
    match parser.next()? {
        Some(Short('c') | Long("config")) => {
            let path = PathBuf::from(parser.value()?);
            alone(Task::Metrics(Some(path)), parser)
        }
        None => Ok(Task::Metrics(config)),
        Some(more) => Err(more.unexpected()),
    }
}

fn completions_task(parser: &mut lexopt::Parser) -> Result<Task, lexopt::Error> {
    use lexopt::prelude::*;
    match parser.next()? {
        Some(Value(shell)) if shell == "bash" => alone(Task::Completions, parser),
        Some(other) => Err(other.unexpected()),
        None => Err("completions: no shell is given; there are those for bash".into()),
    }
}

/// Standard output may be closed early, as by `head`.
fn print(text: &str) -> Result<u8, Failure> {
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(|e| cannot(format!("standard output: {e}")))?;
    Ok(0)
}

fn check(path: Option<&Path>, json: bool) -> Result<u8, Failure> {
    let loaded = path.map_or_else(|| Ok(Config::default()), load);
    let wrong = loaded.is_err();
    let (config, validity) = match loaded {
        Ok(config) => {
            let validity = check::validity(path, &config);
            (config, Ok(validity))
        }
        Err((_, errors)) => (Config::default(), Err(errors)),
    };
    let report = check::check(&config, validity);
    print(&if json { report.json() } else { report.text() })?;
    Ok(match report.state {
        _ if wrong => USAGE,
        State::Ready => 0,
        State::Degraded => DEGRADED,
        State::Unable => CANNOT,
    })
}

fn load(path: &Path) -> Result<Config, Failure> {
    let loaded = Config::load(path).map_err(|refused| (USAGE, refused.lines()))?;
    for notice in loaded.notices {
        recorderd::report!("recorderd: {notice}");
    }
    Ok(loaded.config)
}

/// Exit code of an installation, that may have left something to be done.
fn done(result: Result<bool, String>) -> Result<u8, Failure> {
    match result.map_err(cannot)? {
        true => Ok(0),
        false => Ok(CANNOT),
    }
}

fn cannot(error: impl ToString) -> Failure {
    (CANNOT, vec![error.to_string()])
}

fn run_daemon(path: &Path) -> Result<u8, Failure> {
    let config = load(path)?;
    if !config.enabled {
        recorderd::report!(
            "recorderd: {}: recording is switched off (enabled: false), so there is nothing to do",
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
            recorderd::report!("recorderd: {error}; sessions get no cgroups of their own")
        })
        .ok();
    let (mut recorder, waiter) = recorder(&config, &btf, &id, Table::new(cgroups))?;
    if config.overload == Overload::Throttle {
        let throttled = recorder.throttle();
        throttled
            .map_err(|e| cannot(format!("overload: throttle: no guard can be started: {e}")))?;
    }
    if let Err(error) = recorder.probes().notice_logins(config.logins) {
        recorderd::report!("recorderd: sessions that are open already are not recorded: {error}");
    }
    let (heartbeat, before) = Heartbeat::begin(&config.data_dir)
        .map(|(heartbeat, before)| (Some(heartbeat), before))
        .unwrap_or_else(|error| {
            recorderd::report!("recorderd: {error}; the next start won't know when this one ended");
            (None, None)
        });
    recorder.tell(heartbeat, before);
    let control = Control::listen(&config.data_dir)
        .and_then(|control| waiter.add(control.descriptor()).map(|()| control))
        .inspect_err(|error| {
            recorderd::report!("recorderd: {error}; nobody can ask for the metrics")
        });
    let file = config.metrics_file.as_deref().map(MetricsFile::new);
    recorder.show(control.ok(), file);
    let mut manager = Manager::of_environment();
    let place = recorder.sink.name();
    let give_up_rights = || {
        if let Err(error) = confine() {
            recorderd::report!("recorderd: it keeps more rights than it needs: {error}");
        }
    };
    // The guard is a copy of one thread, and none can be started once the rights are gone.
    let parted = recorder.sink.part(give_up_rights);
    let chores = || WriterThread::start(None, None, give_up_rights);
    let parted = parted.and_then(|()| stderr::hurry(|| Ok(Box::new(chores()?))));
    parted.map_err(|e| cannot(format!("no thread can be started for the log: {e}")))?;
    give_up_rights();
    recorderd::report!("ready: recording SSH sessions to {place}");
    manager.ready();
    let mut reload = Reload::new(path.into(), config);
    let done = daemon::run(recorder, &waiter, &mut manager, &mut reload);
    stderr::finish(daemon::LAST);
    done.map_err(cannot)?;
    Ok(0)
}

fn show_metrics(path: Option<PathBuf>) -> Result<u8, Failure> {
    let path = path.or_else(|| Some(PathBuf::from(install::CONFIG)).filter(|path| path.exists()));
    let config = path.map_or_else(|| Ok(Config::default()), |path| load(&path))?;
    let text = metrics::ask(&config.data_dir);
    print(&text.map_err(|error| cannot(format!("{error}; does the recorder run?")))?)
}

fn record(path: Option<&Path>, command: &[OsString]) -> Result<u8, Failure> {
    let config = match path {
        Some(path) => load(path)?,
        None => Config {
            output: vec![Output::Stdout],
            ..Config::default()
        },
    };
    let btf = preflight::btf(config.btf_path.as_deref());
    preflight::preflight(&btf).map_err(cannot)?;
    let id = match path {
        Some(_) => host::id(&config.data_dir).map_err(cannot)?,
        None => host::new_id(),
    };
    let (recorder, waiter) = recorder(&config, &btf, &id, Table::new(None))?;
    let quiet = config.output.contains(&Output::Stdout);
    let status = launch::run(recorder, &waiter, command, quiet).map_err(cannot)?;
    Ok(status as u8)
}

fn recorder(
    config: &Config,
    btf: &Path,
    id: &str,
    table: Table,
) -> Result<(Recorder, Waiter), Failure> {
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
            Output::Stdout => {
                Place::Stdout(Stdout::open().map_err(|e| cannot(format!("standard output: {e}")))?)
            }
            Output::Syslog => Place::Syslog(Syslog::new(&config.syslog_socket)),
            Output::Journald => Place::Journald(Journald::new(&config.journald_socket)),
        })
    };
    let places = config.output.iter().map(place);
    let sink = Sink::new(places.collect::<Result<_, Failure>>()?, config.fsync);
    let host = Host::new(&HostNames {
        cluster: config.cluster_name.as_deref().unwrap_or_default(),
        id,
        hostname: hostname.as_deref().unwrap_or_default(),
        labels: &config.labels,
    });
    let probes = probes(config, btf)?;
    let waiter = Waiter::new(&probes.descriptors()).map_err(cannot)?;
    let writer = Writer::new(host, Ids::new(), clock);
    let mut recorder = Recorder::new(probes, table, writer, sink);
    recorder.hostname = own;
    Ok((recorder, waiter))
}

fn probes(config: &Config, btf: &Path) -> Result<Probes, Failure> {
    let probes = Probes::start(&Settings::new(config, btf)).map_err(cannot)?;
    let missing = check::missing(&probes.coverage, &config.required);
    if !missing.is_empty() {
        return Err((CANNOT, missing));
    }
    for warning in check::warnings(&probes.coverage) {
        recorderd::report!("recorderd: {warning}");
    }
    for coverage in &probes.coverage {
        if let Some(fault) = coverage.fault() {
            recorderd::report!("recorderd: {} is not recorded: {fault}", coverage.family);
        }
    }
    Ok(probes)
}
