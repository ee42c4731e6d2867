//! What a trial of batch commands is about, and how much was done in it.

/// What a trial is about, beside what is done to its processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scene {
    /// Commands beside each other.
    Beside,
    /// Source files are replaced meanwhile.
    Replaced,
    /// The disk is full for a while.
    FullDisk,
    /// Two projects share a Redis.
    SharedRedis,
    /// The project's folder is copied meanwhile, and the copy is used.
    Copied,
}

impl Scene {
    /// Every scene.
    pub const ALL: [Scene; 5] =
        [Scene::Beside, Scene::Replaced, Scene::FullDisk, Scene::SharedRedis, Scene::Copied];

    /// What reports call it.
    pub const fn name(self) -> &'static str {
        match self {
            Scene::Beside => "beside each other",
            Scene::Replaced => "files replaced",
            Scene::FullDisk => "disk full",
            Scene::SharedRedis => "two projects, one redis",
            Scene::Copied => "project copied",
        }
    }
}

/// How much was done.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    /// Processes that were started to run beside each other.
    pub processes: u64,
    /// Those that were killed, or ended themselves at a point.
    pub kills: u64,
    /// Those that were stopped and went on.
    pub stops: u64,
    /// Those that were terminated.
    pub terminated: u64,
}

impl Counts {
    /// Adds what another trial did.
    pub fn add(&mut self, other: Self) {
        self.processes += other.processes;
        self.kills += other.kills;
        self.stops += other.stops;
        self.terminated += other.terminated;
    }
}
