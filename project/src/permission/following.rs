//! How a server keeps to the policy and the tokens as they are: both are looked at several times a second. A policy that is
//! broken or gone leaves the one that holds: nobody gets access by damaging a file. What the server decides is written
//! down every minute.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::{Policy, Rules};
use registry::{Denial, Registry, read_policy};
use server::{AccessControl, AllowedCount, Decided, DeniedCount};

use super::in_one_line;
use super::issuer_keys::FollowedKeys;
use crate::error::ProjectError;
use crate::project::Project;

/// How often decisions are written down.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);

/// What tells a version of a file from another: when it was written, how long it is, and which it is. `None` for one that
/// is not there.
type Version = Option<(i64, i64, u64, u64)>;

pub(super) fn version(path: &Path) -> Version {
    fs::metadata(path).ok().map(|file| (file.mtime(), file.mtime_nsec(), file.size(), file.ino()))
}

/// The policy and the tokens that a server keeps to.
pub(crate) struct Following {
    control: Arc<AccessControl>,
    policy: Policy,
    keys: Option<FollowedKeys>,
    path: PathBuf,
    shown: String,
    version: Version,
    generation: u64,
    /// Whether the rules are not yet those of the policy and the keys that were read.
    is_behind: bool,
    wrote: Instant,
    said: String,
}

impl Following {
    /// Begins to keep to the policy of a project; `None` where it has none.
    pub(crate) async fn begin(project: &Project, registry: &Registry) -> Result<Option<Self>, ProjectError> {
        let shown = project.settings.access.policy.clone();
        let path = project.folder.join(&shown);
        // Looked at before it is read: what is written meanwhile is read again.
        let version = version(&path);
        let Some(policy) = project.policy()? else { return Ok(None) };
        let generation = registry.access_generation().await?;
        let keys = FollowedKeys::begin(project).await?;
        let rules = rules(&policy, keys.as_ref(), registry).await?;
        let control = Arc::new(AccessControl::new(rules, project.clock));
        let (wrote, said) = (Instant::now(), String::new());
        let is_behind = false;
        Ok(Some(Self { control, policy, keys, path, shown, version, generation, is_behind, wrote, said }))
    }

    /// What the server asks.
    pub(crate) fn control(&self) -> Arc<AccessControl> {
        Arc::clone(&self.control)
    }

    /// Takes on what changed of the policy and of the tokens, and writes down what was decided.
    pub(crate) async fn follow(
        &mut self,
        project: &Project,
        registry: &Registry,
    ) -> Result<(), ProjectError> {
        let generation = registry.access_generation().await?;
        let is_other_policy = self.reads_policy();
        let has_other_keys = match &mut self.keys {
            Some(keys) => keys.follow(self.control.misses_key()).await,
            None => false,
        };
        // Where the registry cannot be read now, the next look goes on from here.
        self.is_behind |= is_other_policy || has_other_keys || generation != self.generation;
        if self.is_behind {
            self.control.replace(rules(&self.policy, self.keys.as_ref(), registry).await?);
            (self.generation, self.is_behind) = (generation, false);
            tracing::info!("the policy, the tokens or the keys have changed: keeping to what they say now");
        }
        if self.wrote.elapsed() >= WRITTEN_EVERY {
            self.write_down(project, registry).await;
        }
        Ok(())
    }

    /// Reads the policy again where its file has changed; gives whether it is another one.
    fn reads_policy(&mut self) -> bool {
        let version = version(&self.path);
        if version == self.version {
            return false;
        }
        self.version = version;
        match read_policy(&self.path, &self.shown) {
            Ok(policy) => {
                self.said.clear();
                let is_other = policy != self.policy;
                self.policy = policy;
                is_other
            }
            Err(problems) => {
                let problems = in_one_line(&problems);
                if problems != self.said {
                    tracing::warn!("the policy cannot be taken on, and the one of before holds: {problems}");
                    self.said = problems;
                }
                false
            }
        }
    }

    /// Writes down what was decided since this was last done.
    pub(crate) async fn write_down(&mut self, project: &Project, registry: &Registry) {
        self.wrote = Instant::now();
        let Decided { allowed, denied } = self.control.take_decided();
        let now = project.now();
        let of_denied = |DeniedCount { subject, detail, count }| Denial { subject, detail, count };
        let of_allowed =
            |AllowedCount { subject, action, resource, count }| (subject, action.name(), resource, count);
        let (allows, denies) = (allowed.len(), denied.len());
        let allowed: Vec<_> = allowed.into_iter().map(of_allowed).collect();
        if let Err(error) = registry.record_denials(denied.into_iter().map(of_denied).collect(), now).await {
            tracing::warn!(kinds = denies, "refusals of the last minute are not recorded: {error}");
        }
        if let Err(error) = registry.count_allowed(now, &allowed).await {
            tracing::warn!(kinds = allows, "what was allowed in the last minute is not counted: {error}");
        }
    }
}

async fn rules(
    policy: &Policy,
    keys: Option<&FollowedKeys>,
    registry: &Registry,
) -> Result<Rules, ProjectError> {
    let tokens = registry.tokens().await?;
    let rules = Rules::new(policy.clone(), tokens.into_iter().map(|kept| kept.token));
    Ok(match keys {
        Some(keys) => rules.with_issuer(keys.issuer.clone(), Arc::clone(&keys.keys)),
        None => rules,
    })
}
