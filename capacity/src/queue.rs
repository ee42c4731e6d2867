//! What queueing theory says in closed form of a queue with exponential times between arrivals: the yardstick of the
//! simulation.

/// The probability that a request waits in M/M/c: Erlang's C formula. `load` is arrivals × mean service, below
/// `servers`.
#[must_use]
pub fn delay_probability(servers: u32, load: f64) -> f64 {
    // Erlang's B by its recursion, which neither overflows nor cancels; then C from B.
    let blocked = (1..=servers).fold(1.0, |blocked, n| load * blocked / (f64::from(n) + load * blocked));
    let idle = 1.0 - load / f64::from(servers);
    blocked / (1.0 - (1.0 - idle) * (1.0 - blocked))
}

/// The mean wait in M/M/c, in the unit of `mean_service`.
#[must_use]
pub fn mean_wait(servers: u32, arrivals: f64, mean_service: f64) -> f64 {
    let load = arrivals * mean_service;
    delay_probability(servers, load) * mean_service / (f64::from(servers) - load)
}

/// The wait that this share of the requests of M/M/c does not exceed.
#[must_use]
pub fn wait_quantile(servers: u32, arrivals: f64, mean_service: f64, share: f64) -> f64 {
    let load = arrivals * mean_service;
    let waits = delay_probability(servers, load);
    let rate = (f64::from(servers) - load) / mean_service;
    ((waits / (1.0 - share)).ln() / rate).max(0.0)
}

/// The mean wait in M/D/1, where every service takes the same time: Pollaczek and Khinchine's formula.
#[must_use]
pub fn mean_wait_fixed(arrivals: f64, service: f64) -> f64 {
    let load = arrivals * service;
    load * service / (2.0 * (1.0 - load))
}

/// The mean time from arrival to answer where each request goes to the shorter of two queues, drawn among very many
/// (Mitzenmacher 1996, Vvedenskaya and others 1996), in the unit of `mean_service`; `load` of each queue is below 1.
#[must_use]
pub fn mean_sojourn_of_two_choices(load: f64, mean_service: f64) -> f64 {
    let terms = (1..=40).map(|i| load.powf(2f64.powi(i) - 2.0));
    terms.take_while(|term| *term > 1e-18).sum::<f64>() * mean_service
}
