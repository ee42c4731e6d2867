//! Requests for pages: which page each is for, and that pages slow down no read. Pages are made one after the other, on a
//! thread of their own, and those that would have to wait too long are refused.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use feature::{HelpTopic, ServiceRef};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};
use tokio::time::timeout;
use twinstore::{Get, Input, MakingPage, Page, PageRequest, Pages, Project, ProjectError, ReadFeatures};

use crate::address::{Address, ReadQuery};
use crate::changes_page::{self, CHANGES_OF_A_PAGE};
use crate::gathering::Gathering;
use crate::stylesheet::STYLE;
use crate::{feature_page, overview_page, problem_page, search_page, service_page, view_page};

/// Requests that wait for their page at once.
const MOST_WAITING: usize = 32;
/// How long a request waits for its turn.
const WAITS: Duration = Duration::from_secs(10);
/// How long a page may take.
const MAY_TAKE: Duration = Duration::from_secs(20);
/// How long the quality of views is measured after a page was made.
const MEASURES_ON: Duration = Duration::from_secs(30);
/// The longest text that is searched for, in characters.
const LONGEST_TEXT: usize = 100;

/// The words of an interface for an operation that helps.
type HelpText = Box<dyn Fn(&HelpTopic) -> String + Send + Sync>;

/// The pages of a project for its operators.
pub struct OperatorPages(Arc<Site>);

struct Site {
    project: Project,
    help: HelpText,
    waiting: Semaphore,
    gathering: Arc<Mutex<Gathering>>,
    is_measuring: AtomicBool,
}

impl fmt::Debug for OperatorPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorPages").field("project", &self.0.project).finish_non_exhaustive()
    }
}

impl OperatorPages {
    /// The pages of this project; `help` says in the words of an interface what to run.
    pub fn new(project: &Project, help: impl Fn(&HelpTopic) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(Site {
            project: project.clone(),
            help: Box::new(help),
            waiting: Semaphore::new(MOST_WAITING),
            gathering: Arc::new(Mutex::new(Gathering::of(project))),
            is_measuring: AtomicBool::new(false),
        }))
    }
}

impl Pages for OperatorPages {
    fn page(&self, request: PageRequest) -> MakingPage<'_> {
        Box::pin(self.0.clone().page(request))
    }
}

impl Site {
    async fn page(self: Arc<Self>, request: PageRequest) -> Page {
        let address = Address::of(&request.path, &request.query);
        match address {
            Address::Style => {
                let content_type = "text/css; charset=utf-8";
                return Page { status: 200, content_type, body: STYLE.to_owned(), is_constant: true };
            }
            Address::Unknown => return html(404, problem_page::missing(self.name(), &request.path)),
            _ => {}
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return html(503, problem_page::busy(self.name()));
        };
        let Ok(gathering) = timeout(WAITS, Arc::clone(&self.gathering).lock_owned()).await else {
            return html(503, problem_page::busy(self.name()));
        };
        let site = Arc::clone(&self);
        // What it computes is not to hold up the threads that answer reads.
        let made = tokio::task::spawn_blocking(move || {
            let making = site.made(&address, &request, gathering);
            Handle::current().block_on(async { timeout(MAY_TAKE, making).await })
        });
        let page = match made.await {
            Ok(Ok(Ok(page))) => page,
            Ok(Ok(Err(error))) => {
                tracing::warn!("a page cannot be made: {error}");
                html(500, problem_page::failed(self.name(), &self.sentence(&error)))
            }
            Ok(Err(_)) => {
                let why = format!("It took more than {} seconds", MAY_TAKE.as_secs());
                html(503, problem_page::failed(self.name(), &why))
            }
            // It panicked, or the server is stopping.
            Err(_) => html(500, problem_page::failed(self.name(), "Making it ended early")),
        };
        self.measure_on();
        page
    }

    fn name(&self) -> &str {
        &self.project.settings().project
    }

    /// An error, and what helps.
    fn sentence(&self, error: &ProjectError) -> String {
        match error.help() {
            Some(topic) => format!("{error}: {}", (self.help)(&topic)),
            None => error.to_string(),
        }
    }

    async fn made(
        &self,
        address: &Address,
        request: &PageRequest,
        mut gathering: OwnedMutexGuard<Gathering>,
    ) -> Result<Page, ProjectError> {
        let (project, now) = (self.name(), self.project.now());
        let help = |topic: &HelpTopic| (self.help)(topic);
        let body = match address {
            Address::Overview(choice) => Some(overview_page::page(&*gathering.overview().await?, choice)),
            Address::View(id) => {
                let detail = gathering.observer().await?.view(id).await?;
                detail.map(|detail| view_page::page(project, &detail, &help, now))
            }
            Address::Feature { view, name, read } => {
                let detail = gathering.observer().await?.feature(view, name).await?;
                let given = self.tried(read.as_ref().filter(|_| detail.is_some())).await;
                let tried = read.as_ref().zip(given.as_ref());
                detail.map(|detail| feature_page::page(project, &detail, tried, now))
            }
            Address::Service { id, read } => {
                let detail = gathering.observer().await?.service(id).await?;
                let given = self.tried(read.as_ref().filter(|_| detail.is_some())).await;
                let tried = read.as_ref().zip(given.as_ref());
                detail.map(|detail| service_page::page(project, &detail, tried, &help, now))
            }
            Address::Search { text } => {
                let text: String = text.chars().take(LONGEST_TEXT).collect();
                let found = match text.as_str() {
                    "" => None,
                    text => Some(gathering.observer().await?.search(text).await?),
                };
                Some(search_page::page(project, &text, found.as_ref(), now))
            }
            Address::Changes { before } => {
                let observer = gathering.observer().await?;
                let changes = observer.changes(*before, CHANGES_OF_A_PAGE + 1).await?;
                Some(changes_page::page(project, &changes, before.is_none(), now))
            }
            Address::Style | Address::Unknown => None,
        };
        Ok(match body {
            Some(body) => html(200, body),
            None => html(404, problem_page::missing(project, &request.path)),
        })
    }

    /// What a read gives that a form asks for, or a sentence that says why it gives nothing.
    async fn tried(&self, query: Option<&ReadQuery>) -> Option<Result<ReadFeatures, String>> {
        let query = query?;
        let get = || {
            let service: ServiceRef = query.service.parse().map_err(|error| format!("{error}"))?;
            let at = match query.at.as_str() {
                "" => None,
                text => Some(text.parse().map_err(|error| format!("{error}"))?),
            };
            let values = query.values.iter().map(|(name, text)| (name.clone(), Input::Text(text.clone())));
            Ok(Get { at, ..Get::of(service, values) })
        };
        let get: Get = match get() {
            Ok(get) => get,
            Err(why) => return Some(Err(why)),
        };
        Some(self.project.get(&get).await.map_err(|error| self.sentence(&error)))
    }

    /// Measures the quality of views that are due, one after the other, so that the next page has it. Pages come between.
    fn measure_on(self: &Arc<Self>) {
        if self.is_measuring.swap(true, Ordering::AcqRel) {
            return;
        }
        // Once the server is gone it ends with the view that is measured then.
        let measuring = Measuring(Arc::downgrade(self));
        let measure = move || {
            let began = Instant::now();
            Handle::current().block_on(async {
                while let Some(site) = measuring.0.upgrade().filter(|_| began.elapsed() < MEASURES_ON) {
                    let mut gathering = site.gathering.lock().await;
                    let Ok(overview) = gathering.overview().await else { break };
                    match gathering.measure_next(&overview).await {
                        Ok(true) => {}
                        Ok(false) | Err(_) => break,
                    }
                }
            });
        };
        drop(tokio::task::spawn_blocking(measure));
    }
}

/// Somebody measures; the next may once it is dropped, also by a panic.
struct Measuring(Weak<Site>);

impl Drop for Measuring {
    fn drop(&mut self) {
        if let Some(site) = self.0.upgrade() {
            site.is_measuring.store(false, Ordering::Release);
        }
    }
}

fn html(status: u16, body: String) -> Page {
    Page { status, content_type: "text/html; charset=utf-8", body, is_constant: false }
}
