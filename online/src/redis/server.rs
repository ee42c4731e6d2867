//! Which servers may hold features: one that would drop them by itself is refused, by what its `INFO`
//! says.

/// What a server has to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Expected {
    pub(super) cluster: bool,
}

/// Why a server may not be used.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// Its set-up has to be changed.
    Unfit(String),
    /// It is a replica now: its master is elsewhere.
    Replica,
}

/// The oldest version that can be used.
const OLDEST: u32 = 6;

/// Checks a server by its `INFO`.
pub(super) fn check(info: &str, expected: Expected) -> Result<(), Refusal> {
    let field = |name: &str| {
        let value =
            |line: &'_ str| line.strip_prefix(name)?.strip_prefix(':').map(str::trim).map(str::to_owned);
        info.lines().find_map(value).unwrap_or_default()
    };
    let unfit = |reason: String| Err(Refusal::Unfit(reason));
    let version = field("redis_version");
    let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
    if major.is_none_or(|major| major < OLDEST) {
        return unfit(format!("it is Redis {version}, and {OLDEST} or newer is needed: upgrade it"));
    }
    let policy = field("maxmemory_policy");
    if field("maxmemory") != "0" && policy != "noeviction" {
        return unfit(format!(
            "its `maxmemory-policy` is `{policy}`, by which it would drop features: set it to `noeviction`, or `maxmemory` to 0"
        ));
    }
    match (expected.cluster, field("cluster_enabled") == "1") {
        (true, false) => return unfit("it is no cluster: write redis:// for redis+cluster://".to_owned()),
        (false, true) => return unfit("it is a cluster: write redis+cluster:// for redis://".to_owned()),
        _ => (),
    }
    if field("role") == "slave" { Err(Refusal::Replica) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str, memory: &str, policy: &str, role: &str, cluster: &str) -> String {
        format!(
            "# Server\r\nredis_version:{version}\r\nmaxmemory:{memory}\r\nmaxmemory_policy:{policy}\r\nrole:{role}\r\ncluster_enabled:{cluster}\r\n"
        )
    }

    #[test]
    fn a_server_is_refused_for_what_would_lose_features_and_what_to_change_is_named() {
        let one = Expected { cluster: false };
        assert_eq!(check(&info("7.0.15", "0", "allkeys-lru", "master", "0"), one), Ok(()));
        assert_eq!(check(&info("6.0.0", "100", "noeviction", "master", "0"), one), Ok(()));
        for (info, says) in [
            (info("7.0.15", "100", "volatile-ttl", "master", "0"), "maxmemory-policy"),
            (info("5.0.7", "0", "noeviction", "master", "0"), "5.0.7"),
            (info("7.0.15", "0", "noeviction", "master", "1"), "redis+cluster://"),
            (String::new(), "6 or newer"),
        ] {
            let Err(Refusal::Unfit(reason)) = check(&info, one) else { panic!("{info}") };
            assert!(reason.contains(says), "{reason}");
        }
        let replica = info("7.0.15", "0", "noeviction", "slave", "0");
        assert_eq!(check(&replica, one), Err(Refusal::Replica));
        let cluster = Expected { cluster: true };
        assert!(matches!(check(&replica, cluster), Err(Refusal::Unfit(_))));
    }
}
