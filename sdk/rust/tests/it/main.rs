//! The client against the real server: values, failures of servers and of ways to them, access, pushes, the cache.

#[cfg(test)]
mod bounded;
#[cfg(test)]
mod cached;
#[cfg(test)]
mod hedged;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod light;
#[cfg(test)]
mod read;
#[cfg(test)]
mod secured;
#[cfg(test)]
mod served;
#[cfg(test)]
mod written;
