//! The config of a recorder that runs, and how it is read again.

use std::path::PathBuf;

use crate::base::{Notice, Reason};
use crate::config::Config;
use crate::pipeline::Pipeline;

/// The file of the config, and what of it is in force.
pub struct Reload {
    path: PathBuf,
    config: Config,
}

impl Reload {
    /// Of the config that was read from `path` at the start.
    pub fn new(path: PathBuf, config: Config) -> Self {
        Self { path, config }
    }

    /// Reads the file again, and has the recorder follow it as far as it can. A config with a
    /// mistake changes nothing.
    pub fn again(&mut self, pipeline: &mut Pipeline) {
        // What is read from a pipe would be waited for.
        if std::fs::metadata(&self.path).is_ok_and(|file| !file.is_file()) {
            let path = self.path.display();
            let error = format!(
                "{path}: it is not a regular file; put the config into one to have it read again"
            );
            return refuse(pipeline, error);
        }
        let config = match Config::load(&self.path) {
            Ok(loaded) => loaded.config,
            Err(refused) => return refuse(pipeline, refused.to_string()),
        };
        if config == self.config {
            return;
        }
        if let Err(error) = pipeline.follow(&config) {
            return refuse(pipeline, error.to_string());
        }
        let (followed, needs_restart) = self.config.follow(&config);
        pipeline.announce(&Notice {
            needs_restart,
            ..Notice::of(Reason::ConfigChanged)
        });
        // What needs a restart is told of again as long as it differs.
        self.config = followed;
    }
}

fn refuse(pipeline: &mut Pipeline, error: String) {
    pipeline.announce(&Notice {
        error: Some(error),
        ..Notice::of(Reason::ConfigRefused)
    });
}
