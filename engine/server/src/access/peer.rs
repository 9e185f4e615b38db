//! The address of a client behind proxies.

use axum::http::HeaderMap;
use std::net::IpAddr;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Returns who sent a request that came from `peer`: the last address of `X-Forwarded-For` that is none of the `trusted`
/// proxies, if `peer` is one. What others write there counts for nothing.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.contains(&address.to_canonical());
    let mut client = peer.to_canonical();
    if !is_trusted(&client) {
        return client;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev().filter_map(|line| line.to_str().ok());
    for word in lines.flat_map(|line| line.rsplit(',')) {
        let Ok(address) = word.trim().parse::<IpAddr>() else { return client };
        client = address.to_canonical();
        if !is_trusted(&client) {
            return client;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proxies_are_believed() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let trusted = [ip("10.0.0.1"), ip("10.0.0.2")];
        let ask = |peer: &str, lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_FOR, line.parse().unwrap());
            }
            client_address(ip(peer), &headers, &trusted).to_string()
        };
        assert_eq!(ask("1.2.3.4", &["5.6.7.8"]), "1.2.3.4");
        assert_eq!(ask("10.0.0.1", &["9.9.9.9, 5.6.7.8"]), "5.6.7.8");
        assert_eq!(ask("10.0.0.1", &["9.9.9.9", "5.6.7.8, 10.0.0.2"]), "5.6.7.8");
        assert_eq!(ask("::ffff:10.0.0.1", &["5.6.7.8"]), "5.6.7.8");
        assert_eq!(ask("10.0.0.1", &["5.6.7.8, nonsense"]), "10.0.0.1");
        assert_eq!(ask("10.0.0.1", &[]), "10.0.0.1");
    }
}
