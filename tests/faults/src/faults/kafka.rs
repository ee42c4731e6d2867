//! What is done to the broker, to the way to it, and to what it holds.

use std::thread;
use std::time::Duration;

use super::{SMALL, Strike};
use test_support::Way;

impl Strike<'_> {
    fn stay_down(&self) {
        thread::sleep(Duration::from_secs(self.extent.down_s));
    }

    pub(super) fn broker_down(&mut self) {
        let stream = self.project.stream(&SMALL);
        for _ in 0..self.extent.times {
            self.produce_and_await();
            self.broker.kill();
            self.stay_down();
            self.broker.restart();
        }
        self.produce_and_await_all();
        stream.stop();
    }

    pub(super) fn broker_cut(&mut self) {
        self.broker_behind(Way::Cut);
    }

    pub(super) fn broker_silent(&mut self) {
        self.broker_behind(Way::Swallow);
    }

    /// Strikes the way to the broker; what is produced meanwhile arrives once the way is open again.
    fn broker_behind(&mut self, way: Way) {
        let stream = self.project.stream(&SMALL);
        for _ in 0..self.extent.times {
            self.produce_and_await();
            self.broker.proxy.set(way);
            self.topic.produce(self.extent.clicks);
            self.stay_down();
            self.broker.proxy.set(Way::Open);
            self.produce_and_await_all();
        }
        stream.stop();
    }

    pub(super) fn broker_slow(&mut self) {
        let stream = self.project.stream(&SMALL);
        self.broker.proxy.set(Way::Slow(Duration::from_millis(500)));
        for _ in 0..self.extent.times {
            self.produce_and_await_all();
        }
        self.broker.proxy.set(Way::Open);
        stream.stop();
    }

    pub(super) fn poison(&mut self) {
        let stream = self.project.stream(&SMALL);
        for _ in 0..self.extent.times {
            self.topic.produce(self.extent.clicks);
            self.topic.poison(self.extent.clicks / 50);
        }
        self.project.await_rows(self.topic, 0);
        stream.stop();
        let refused = self.project.dead_letters();
        assert_eq!(refused, self.topic.poison, "refused rows in the dead letters");
    }
}
