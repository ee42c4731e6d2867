//! A project: its folder, its settings and its clock.

use std::path::{Path, PathBuf};

use feature::Micros;

use crate::error::ProjectError;
use crate::remote::ClientAccess;
use crate::settings::Settings;

/// What time it is, in UTC microseconds. The library reads no clock of its own.
pub type Clock = fn() -> Micros;

/// An opened project.
#[derive(Clone, Debug)]
pub struct Project {
    pub(crate) folder: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
}

impl Project {
    /// The project in a folder, with the settings of its `twinstore.toml` and of the environment.
    pub fn open(folder: &Path, clock: Clock) -> Result<Self, ProjectError> {
        if !folder.is_dir() {
            return Err(ProjectError::NoFolder { folder: folder.to_owned() });
        }
        Ok(Self { folder: folder.to_owned(), settings: Settings::read(folder)?, clock })
    }

    /// The same project, changed by this person or program where its settings do not say by whom.
    #[must_use]
    pub fn with_default_actor(mut self, actor: impl FnOnce() -> String) -> Self {
        if self.settings.actor.is_empty() {
            self.settings.actor = actor();
        }
        self
    }

    /// Where the sample of what servers answered lies.
    pub(crate) fn served_folder(&self) -> PathBuf {
        self.folder.join(".twinstore/served")
    }

    /// What its commands show to a server, and by what they trust one.
    pub(crate) fn client_access(&self) -> ClientAccess {
        let ca = &self.settings.client.ca;
        let ca = if ca.is_empty() { String::new() } else { self.folder.join(ca).display().to_string() };
        ClientAccess { token: self.settings.token.clone(), ca }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What time it is, by the clock that the project was opened with.
    pub fn now(&self) -> Micros {
        (self.clock)()
    }
}
