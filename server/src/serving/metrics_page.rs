//! What a server says of itself, as Prometheus reads it.

use std::sync::atomic::Ordering;

use exposition::{Page, Sample, SampleKind};
use online::Reader;

use super::Serving;

impl<R: Reader> Serving<R> {
    /// All metrics, as Prometheus reads them.
    pub(crate) fn exposition(&self) -> String {
        let mut page = Page::default();
        let services = self.catalog.services();
        let readers =
            services.readers().map(|reader| (reader.plan().id.to_string(), reader.metrics().as_ref()));
        let of_views = ("views".to_owned(), self.of_views.as_ref());
        let of_pushes = ("pushes".to_owned(), self.of_pushes.as_ref());
        self.calls.metrics().expose(&mut page, readers.chain([of_views, of_pushes]).collect());
        self.counts.expose(&mut page);
        self.deprecated.expose(&mut page);
        let gauge = |name, help, value| Sample { name, help, kind: SampleKind::Gauge, value };
        let own = [
            gauge(
                "twinstore_serve_in_flight",
                "Requests that are answered now",
                self.admission.in_flight() as f64,
            ),
            gauge(
                "twinstore_serve_waiting",
                "Requests that wait until others are answered",
                self.admission.waiting() as f64,
            ),
            gauge(
                "twinstore_serve_body_bytes",
                "Bytes of request bodies that are held now",
                self.bodies.bytes() as f64,
            ),
            gauge(
                "twinstore_serve_delay_seconds",
                "How long requests waited for a thread, in the last window",
                self.overload.delay_s(),
            ),
            gauge(
                "twinstore_serve_refused_share",
                "The share of requests that is refused because the server is overloaded",
                self.overload.share(),
            ),
            gauge(
                "twinstore_serve_connections",
                "Connections that are open now, over both protocols",
                self.connections.open() as f64,
            ),
            Sample {
                name: "twinstore_serve_connections_ended_total",
                help: "Connections that the server ended: idle ones, slow ones, and those beyond a bound",
                kind: SampleKind::Counter,
                value: self.connections.ended() as f64,
            },
            Sample {
                name: "twinstore_serve_connections_broken_total",
                help: "Connections that ended by a fault of the server",
                kind: SampleKind::Counter,
                value: self.connections.broken() as f64,
            },
            gauge(
                "twinstore_serve_store_up",
                "1 where the last probe of the online store was answered, else 0",
                f64::from(u8::from(!self.availability.is_gone())),
            ),
            gauge(
                "twinstore_serve_registry_up",
                "1 where changes of the registry are followed, else 0",
                f64::from(u8::from(self.unfollowed().is_none())),
            ),
            Sample {
                name: "twinstore_serve_damaged_rows_total",
                help: "Requests that were refused because an online row is damaged or lost",
                kind: SampleKind::Counter,
                value: self.damaged.load(Ordering::Relaxed) as f64,
            },
        ];
        let more = self.samples.as_ref().map(|samples| samples()).unwrap_or_default();
        own.iter().chain(&more).for_each(|sample| page.alone(sample));
        let more = self.more.as_ref().map(|more| more()).unwrap_or_default();
        page.into_text() + &more
    }
}
