//! The fault run of batch commands: `batch-faults [TRIALS [SEED [SCENE]]]` prints what was done in each scene and
//! what was wrong afterwards. A trial that finds something says how it is repeated.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use twinstore_faults::{Counts, Redis, Scene, trial};

/// Trials that run at a time: their processes mostly wait.
const AT_ONCE: usize = 3;

/// What the trials of a scene did and found.
#[derive(Default)]
struct Totals {
    counts: Counts,
    rows: u64,
    entities: u64,
    wrong: u64,
}

fn main() {
    let mut words = std::env::args().skip(1);
    let mut number = |otherwise: u64| words.next().and_then(|word| word.parse().ok()).unwrap_or(otherwise);
    let (trials, first) = (number(500), number(1));
    let named: Option<String> = words.next();
    let redis = Redis::that_keeps();
    let mut is_wrong = false;
    println!("| scene | trials | processes | kills | stops | terminated | rows | entities | wrong | s |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let is_meant = |scene: &Scene| named.as_ref().is_none_or(|name| scene.name().starts_with(name.as_str()));
    let scenes: Vec<Scene> = Scene::ALL.into_iter().filter(is_meant).collect();
    for (index, scene) in scenes.iter().enumerate() {
        let share = trials / scenes.len() as u64 + u64::from((index as u64) < trials % scenes.len() as u64);
        let began = Instant::now();
        let Totals { counts, rows, entities, wrong } = run(*scene, first..first + share, &redis);
        let Counts { processes, kills, stops, terminated } = counts;
        println!(
            "| {} | {share} | {processes} | {kills} | {stops} | {terminated} | {rows} | {entities} | {wrong} | {} |",
            scene.name(),
            began.elapsed().as_secs()
        );
        std::io::stdout().flush().unwrap_or_default();
        is_wrong |= wrong > 0;
    }
    if is_wrong {
        std::process::exit(1);
    }
}

/// Runs the trials of these seeds, some at a time.
fn run(scene: Scene, seeds: std::ops::Range<u64>, redis: &Redis) -> Totals {
    let next = AtomicU64::new(seeds.start);
    let totals = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let (found, counts) = trial(seed, scene, Some(redis), None);
                    let name = scene.name();
                    if !found.wrong.is_empty() {
                        eprintln!("trial {seed}, to be repeated with `batch-faults 1 {seed} \"{name}\"`:");
                        found.wrong.iter().take(8).for_each(|wrong| eprintln!("  {wrong}"));
                    }
                    let mut totals = totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    totals.counts.add(counts);
                    totals.rows += found.rows;
                    totals.entities += found.entities;
                    totals.wrong += u64::from(!found.wrong.is_empty());
                }
            });
        }
    });
    totals.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}
