//! The head of a request, as far as a proxy changes it: whom it is for, who sent it, and that one request is all that a connection brings.

use std::net::IpAddr;

/// A request's head.
#[derive(Debug)]
pub struct Head<'a> {
    method: &'a str,
    target: &'a str,
    headers: Vec<(&'a str, &'a str)>,
}

/// Why a head is not passed on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a request of HTTP/1.1 for a path")]
pub struct NotAHead;

/// Why a request with a body is not passed on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a body needs one Content-Length, and no Transfer-Encoding")]
pub struct NoLength;

/// Headers of a single connection, and what the proxy says itself.
const OWN: [&str; 5] = ["connection", "host", "keep-alive", "proxy-connection", "x-forwarded-for"];

impl<'a> Head<'a> {
    /// Reads a head without its empty line.
    pub fn parse(text: &'a str) -> Result<Self, NotAHead> {
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(NotAHead);
        };
        let is_token =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        let header = |line: &'a str| {
            let (name, value) = line.split_once(':')?;
            let is_text = !value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t');
            (is_token(name) && is_text).then(|| (name, value.trim()))
        };
        let headers = lines.map(header).collect::<Option<_>>().ok_or(NotAHead)?;
        let is_good = is_token(method) && target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic());
        if is_good { Ok(Self { method, target, headers }) } else { Err(NotAHead) }
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// Whether it asks for a WebSocket.
    pub fn is_upgrade(&self) -> bool {
        let is_listed = |list: &str| list.split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
        self.method == "GET"
            && self.header("upgrade").is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
            && self.header("connection").is_some_and(is_listed)
            && self.body_bytes() == Ok(0)
    }

    /// How long the body is that follows it.
    ///
    /// # Errors
    /// Its end would have to be found in what follows.
    pub fn body_bytes(&self) -> Result<u64, NoLength> {
        let all = |name: &'static str| self.headers.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name));
        if all("transfer-encoding").next().is_some() {
            return Err(NoLength);
        }
        let mut lengths = all("content-length").map(|(_, length)| *length);
        match (lengths.next(), lengths.next()) {
            (None, _) => Ok(0),
            (Some(length), None) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                length.parse().map_err(|_| NoLength)
            }
            _ => Err(NoLength),
        }
    }

    /// The head as the upstream gets it: at `authority`, below `prefix`, from `peer`.
    pub fn passed_on(&self, authority: &str, prefix: &str, peer: IpAddr) -> String {
        let mut text = format!("{} {prefix}{} HTTP/1.1\r\nHost: {authority}\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            if !OWN.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                text += &format!("{name}: {value}\r\n");
            }
        }
        let before = self.header("x-forwarded-for").map(|before| format!("{before}, ")).unwrap_or_default();
        let connection = if self.is_upgrade() { "Upgrade" } else { "close" };
        text + &format!("X-Forwarded-For: {before}{peer}\r\nConnection: {connection}\r\n\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    #[test]
    fn an_upgrade_keeps_its_query_and_subprotocols_and_goes_to_the_upstreams_host() {
        let text = "GET /ws?a=b HTTP/1.1\r\nHost: here\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                    Sec-WebSocket-Protocol: tutti.v1, auth.x\r\nX-Forwarded-For: 203.0.113.9";
        let head = Head::parse(text).unwrap();
        assert!(head.is_upgrade());
        let expected = "GET /p/ws?a=b HTTP/1.1\r\nHost: there:1\r\nUpgrade: WebSocket\r\n\
                        Sec-WebSocket-Protocol: tutti.v1, auth.x\r\nX-Forwarded-For: 203.0.113.9, 198.51.100.1\r\n\
                        Connection: Upgrade\r\n\r\n";
        assert_eq!(head.passed_on("there:1", "/p", PEER), expected);
    }

    #[test]
    fn a_plain_request_is_the_only_one_of_its_connection() {
        let head = Head::parse("POST /a HTTP/1.1\r\nhost: here\r\nkeep-alive: 5\r\nContent-Length: 2").unwrap();
        let expected = "POST /a HTTP/1.1\r\nHost: there\r\nContent-Length: 2\r\nX-Forwarded-For: 198.51.100.1\r\nConnection: close\r\n\r\n";
        assert_eq!(head.passed_on("there", "", PEER), expected);
    }

    #[test]
    fn how_long_a_body_is_stands_in_the_head_or_it_is_refused() {
        let long =
            |headers: &str| Head::parse(&format!("POST /a HTTP/1.1\r\nHost: here{headers}")).unwrap().body_bytes();
        assert_eq!((long(""), long("\r\nContent-Length: 12")), (Ok(0), Ok(12)));
        for headers in [
            "\r\nTransfer-Encoding: chunked",
            "\r\nContent-Length: 1\r\ncontent-length: 1",
            "\r\nContent-Length: +1",
            "\r\nContent-Length: 1, 1",
            "\r\nContent-Length: 99999999999999999999",
            "\r\nContent-Length:",
        ] {
            assert_eq!(long(headers), Err(NoLength), "{headers:?}");
        }
    }

    #[test]
    fn only_a_get_without_a_body_that_says_so_asks_for_a_websocket() {
        let asks = |method: &str, headers: &str| {
            let text = format!("{method} /ws HTTP/1.1\r\nUpgrade: websocket{headers}");
            Head::parse(&text).unwrap().is_upgrade()
        };
        let listed = "\r\nConnection: Upgrade";
        assert!(asks("GET", listed));
        assert!(!asks("POST", listed));
        assert!(!asks("GET", "\r\nConnection: keep-alive"));
        assert!(!asks("GET", ""));
        assert!(!asks("GET", &format!("{listed}\r\nContent-Length: 5")));
        assert!(!asks("GET", &format!("{listed}\r\nTransfer-Encoding: chunked")));
    }

    #[test]
    fn what_is_no_request_for_a_path_is_refused() {
        for text in [
            "",
            "GET / HTTP/1.0",
            "GET /",
            "GET http://a/ HTTP/1.1",
            "CONNECT a:1 HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET /\u{7f} HTTP/1.1",
            "GET / HTTP/1.1\r\nno header",
            "GET / HTTP/1.1\r\n folded: 1",
            "GET / HTTP/1.1\r\na: 1\nb: 2",
            "GET / HTTP/1.1\r\na : 1",
        ] {
            assert_eq!(Head::parse(text).unwrap_err(), NotAHead, "{text:?}");
        }
    }
}
