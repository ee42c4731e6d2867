//! What is done to the online store, and to the way to it.

use std::thread;
use std::time::Duration;

use super::{SMALL, Strike};
use crate::redis::Redis;
use test_support::Way;

/// Longer than a write to Redis is waited for.
const SILENCE: Duration = Duration::from_secs(12);

impl Strike<'_> {
    pub(super) fn online_lost(&mut self) {
        let stream = self.project.stream(&SMALL);
        for _ in 0..self.extent.times {
            self.produce_and_await();
            self.project.lose_online_rows();
        }
        self.produce_and_await_all();
        stream.stop();
    }

    pub(super) fn redis_back(&mut self, redis: &mut Redis) {
        let stream = self.project.stream(&SMALL);
        for _ in 0..self.extent.times {
            self.produce_and_await();
            redis.kill();
            self.topic.produce(self.extent.clicks);
            redis.restart();
            self.project.await_rows(self.topic, 0);
        }
        stream.stop();
    }

    pub(super) fn redis_empty(&mut self, redis: &mut Redis) {
        let stream = self.project.stream(&SMALL);
        for _ in 0..self.extent.times {
            self.produce_and_await();
            self.project.lost();
            redis.kill();
            redis.restart();
            self.project.lost();
            self.produce_and_await_all();
        }
        stream.stop();
    }

    pub(super) fn redis_slow(&mut self, redis: &mut Redis) {
        let stream = self.project.stream(&[]);
        redis.proxy.set(Way::Slow(Duration::from_millis(500)));
        for _ in 0..self.extent.times {
            self.produce_and_await_all();
        }
        redis.proxy.set(Way::Open);
        stream.stop();
    }

    pub(super) fn redis_full(&mut self, redis: &mut Redis) {
        let stream = self.project.stream(&SMALL);
        for _ in 0..self.extent.times {
            self.produce_and_await();
            redis.fill(true);
            self.topic.produce(self.extent.clicks);
            self.project.await_said("no space left");
            redis.fill(false);
            self.project.await_rows(self.topic, 0);
            self.project.forget_said();
        }
        stream.stop();
    }

    pub(super) fn redis_silent(&mut self, redis: &mut Redis) {
        let stream = self.project.stream(&SMALL);
        for _ in 0..self.extent.times {
            self.produce_and_await();
            redis.proxy.set(Way::Swallow);
            self.topic.produce(self.extent.clicks);
            thread::sleep(SILENCE);
            self.project.await_said("is not available");
            redis.proxy.set(Way::Open);
            self.project.await_rows(self.topic, 0);
            self.project.forget_said();
        }
        stream.stop();
    }

    pub(super) fn redis_cut(&mut self, redis: &mut Redis) {
        let stream = self.project.stream(&SMALL);
        for _ in 0..self.extent.times {
            self.produce_and_await();
            redis.proxy.set(Way::Cut);
            self.topic.produce(self.extent.clicks);
            self.project.await_said("is not available");
            redis.proxy.set(Way::Open);
            self.project.await_rows(self.topic, 0);
            self.project.forget_said();
        }
        stream.stop();
    }
}
