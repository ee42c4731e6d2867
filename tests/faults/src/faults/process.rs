//! What is done to the processes of streams, and to their disk.

use std::thread;
use std::time::Duration;

use super::{POINTS, SMALL, Strike};
use crate::disk::SmallDisk;
use crate::stream_project::Streaming;

impl Strike<'_> {
    /// A moment of at most so many milliseconds.
    fn pause(&mut self, at_most: u64) {
        thread::sleep(Duration::from_millis(self.numbers.below(at_most)));
    }

    pub(super) fn killed(&mut self) {
        for _ in 0..self.extent.times {
            self.kill_once();
        }
    }

    fn kill_once(&mut self) {
        let stream = self.project.stream(&SMALL);
        self.produce_and_await();
        self.pause(200);
        stream.kill();
    }

    pub(super) fn killed_at(&mut self, point: usize) {
        for _ in 0..self.extent.times {
            self.end_once(point);
        }
    }

    pub(super) fn killed_at_each(&mut self) {
        for point in 0..POINTS.len() {
            self.end_once(point);
        }
    }

    /// Lets a stream end itself at a step that it passes at most three times before.
    fn end_once(&mut self, point: usize) {
        let point = POINTS[point];
        let passes = match point {
            "located" | "rebuilt" => 1,
            _ => 1 + self.numbers.below(3),
        };
        if point == "rebuilt" {
            // Only a log that has rows is folded again.
            if self.project.rows() == 0 {
                self.kill_once();
            }
            self.project.lose_online_rows();
        }
        let end = format!("{point}:{passes}");
        let stream = self.project.stream_on_trial(&SMALL, &[("TWINSTORE_TRIAL_END", &end)]);
        for _ in 0..4 {
            self.topic.produce(self.extent.clicks / 4);
            if point == "refused" {
                self.topic.poison(2);
                // Of each flush that has them.
                thread::sleep(Duration::from_millis(100));
            }
        }
        stream.ends_itself();
    }

    /// Half of the time at a random moment, otherwise at a random step.
    pub(super) fn killed_anywhere(&mut self) {
        for _ in 0..self.extent.times {
            let point = self.numbers.below(2 * POINTS.len() as u64) as usize;
            match POINTS.get(point) {
                // Its rows would be refused.
                Some(&"refused") | None => self.kill_once(),
                Some(_) => self.end_once(point),
            }
        }
    }

    pub(super) fn zombie(&mut self) {
        for _ in 0..self.extent.times {
            let sleeper = self.project.stream(&SMALL);
            self.produce_and_await();
            sleeper.pause();
            let successor = self.project.stream(&SMALL);
            // All of it: the successor has the sleeper's partitions.
            self.produce_and_await_all();
            sleeper.wake();
            self.produce_and_await_all();
            sleeper.kill();
            successor.kill();
        }
    }

    pub(super) fn rebalanced(&mut self) {
        let mut members: Vec<Streaming> = vec![self.project.stream(&SMALL)];
        for _ in 0..self.extent.times {
            self.produce_and_await();
            if members.len() < 3 && (members.len() == 1 || self.numbers.once_in(2)) {
                members.push(self.project.stream(&SMALL));
            } else {
                let leaves = members.remove(self.numbers.below(members.len() as u64) as usize);
                leaves.stop();
            }
            self.pause(300);
        }
        self.project.await_rows(self.topic, 0);
        members.into_iter().for_each(Streaming::stop);
    }

    pub(super) fn disk_full(&mut self) {
        let disk = SmallDisk::mount(&self.project.path().join(".twinstore/offline"));
        let stream = self.project.stream(&SMALL);
        for _ in 0..self.extent.times {
            disk.leave(0);
            self.topic.produce(self.extent.clicks);
            self.project.await_said("no space left");
            disk.leave(64 << 10);
            self.project.await_rows(self.topic, 0);
            self.project.forget_said();
        }
        disk.leave(1 << 20);
        stream.stop();
        self.disk = Some(disk);
    }
}
